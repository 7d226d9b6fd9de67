/* Free TCP ports on the loopback. */
#ifndef HOLDFAST_TESTS_PORT_H
#define HOLDFAST_TESTS_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* A port that nobody listens on now. It is not reserved: who can, lets the server itself bind port
 * 0; who finds it taken all the same asks again. Aborts when there is none. */
uint16_t port_free(void);

/* Waits until something accepts connections on 127.0.0.1:port; false after timeout_ms. */
bool port_wait(uint16_t port, int timeout_ms);

#endif
