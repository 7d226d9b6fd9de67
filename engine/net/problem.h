/* Problems on the wire (RFC 9457): one table for code, HTTP status and title. A new error is a new
 * line here. */
#ifndef HOLDFAST_NET_PROBLEM_H
#define HOLDFAST_NET_PROBLEM_H

#include "engine/base/status.h"

/* X(NAME, "code", HTTP status, "title"). `type` on the wire is "/problems/<code>". */
#define PROBLEM_MAP(X)                                                                             \
    X(BAD_REQUEST, "bad_request", 400, "The request is not well-formed")                           \
    X(IDEMPOTENCY_KEY_MISSING, "idempotency_key_missing", 400,                                     \
      "This call needs an Idempotency-Key")                                                        \
    X(SIGNATURE_INVALID, "signature_invalid", 400, "The signature is not valid")                   \
    X(UNAUTHORIZED, "unauthorized", 401, "Credentials are missing or not valid")                   \
    X(TICKET_INVALID, "ticket_invalid", 401, "The ticket is not valid")                            \
    X(PASS_REQUIRED, "pass_required", 401, "This event has a queue: a pass is needed")             \
    X(PAYMENT_DECLINED, "payment_declined", 402, "The payment was declined")                       \
    X(FORBIDDEN, "forbidden", 403, "This is not allowed")                                          \
    X(ORIGIN_FORBIDDEN, "origin_forbidden", 403, "This origin is not allowed")                     \
    X(QUEUE_CLOSED, "queue_closed", 403, "The queue is closed")                                    \
    X(PASS_INVALID, "pass_invalid", 403, "The pass is not valid here")                             \
    X(PASS_SPENT, "pass_spent", 403, "The session of this pass has ended")                         \
    X(NOT_FOUND, "not_found", 404, "There is no such thing")                                       \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, "The method is not allowed here")             \
    X(NOT_ACCEPTABLE, "not_acceptable", 406, "No acceptable representation")                       \
    X(REQUEST_TIMEOUT, "request_timeout", 408, "The request did not arrive in time")               \
    X(CONFLICT, "conflict", 409, "The state of the thing does not allow this")                     \
    X(IDEMPOTENCY_IN_FLIGHT, "idempotency_in_flight", 409,                                         \
      "A request with this key is being worked on")                                                \
    X(SEAT_UNAVAILABLE, "seat_unavailable", 409, "A seat is not available")                        \
    X(SEAT_TAKEN, "seat_taken", 409, "A seat was sold to somebody else; nothing was charged")      \
    X(HOLD_LIMIT, "hold_limit", 409, "A limit of this session or customer is reached")             \
    X(NO_BLOCK, "no_block", 409, "No seats that fit are left")                                     \
    X(PRICE_CHANGED, "price_changed", 409,                                                         \
      "The price is not the expected one; nothing was charged")                                    \
    X(NOT_REFUNDABLE, "not_refundable", 409, "This cannot be refunded")                            \
    X(TICKET_EXPIRED, "ticket_expired", 410, "The ticket has expired")                             \
    X(TURN_MISSED, "turn_missed", 410, "The turn was missed")                                      \
    X(HOLD_EXPIRED, "hold_expired", 410, "The hold has expired")                                   \
    X(BODY_TOO_LARGE, "body_too_large", 413, "The body is larger than allowed")                    \
    X(URI_TOO_LONG, "uri_too_long", 414, "The request line is longer than allowed")                \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415, "The content type is not supported")  \
    X(INVALID, "invalid", 422, "The request is well-formed but not acceptable")                    \
    X(PROOF_REQUIRED, "proof_required", 422, "A proof of work is needed")                          \
    X(IDEMPOTENCY_MISMATCH, "idempotency_mismatch", 422, "This key was used with another request") \
    X(UPGRADE_REQUIRED, "upgrade_required", 426, "This is a WebSocket endpoint")                   \
    X(RATE_LIMITED, "rate_limited", 429, "Too many requests")                                      \
    X(HEAD_TOO_LARGE, "head_too_large", 431, "The header section is larger than allowed")          \
    X(INTERNAL, "internal", 500, "An unexpected failure")                                          \
    X(NOT_IMPLEMENTED, "not_implemented", 501, "The method is not known")                          \
    X(UPSTREAM, "upstream", 502, "A dependency broke its protocol")                                \
    X(UNAVAILABLE, "unavailable", 503, "Not available right now")                                  \
    X(OVERLOADED, "overloaded", 503, "More work than can be done is waiting")                      \
    X(VERSION_NOT_SUPPORTED, "version_not_supported", 505, "Only HTTP/1.1 and HTTP/1.0 are spoken")

enum problem {
#define X(name, code, http, title) PROBLEM_##name,
    PROBLEM_MAP(X)
#undef X
};

const char *problem_code(enum problem problem);
const char *problem_title(enum problem problem);
int problem_http(enum problem problem);
enum problem
problem_of_status(enum status status); /* what a failure is on the wire; never for STATUS_OK */

#endif
