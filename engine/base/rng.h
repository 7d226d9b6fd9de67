/* Randomness: xoshiro256** (Blackman & Vigna 2018) with a seed for choices that must be repeatable,
 * the kernel's for secrets. */
#ifndef HOLDFAST_BASE_RNG_H
#define HOLDFAST_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
void rng_seed_random(struct rng *r); /* from the kernel */
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); /* unbiased, bound > 0 */
double rng_unit(struct rng *r);                    /* [0, 1) */
double rng_exponential(struct rng *r, double mean);

/* getrandom(2); aborts when the kernel has none. For keys, ids and seeds. */
void rng_secret(void *ret_bytes, size_t len);

#endif
