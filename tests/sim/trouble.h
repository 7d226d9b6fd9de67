/* What goes wrong in a world, and when: by the seed. */
#ifndef HOLDFAST_TESTS_SIM_TROUBLE_H
#define HOLDFAST_TESTS_SIM_TROUBLE_H

/* Kinds of worlds. In one that lies, Redis gives wrong data under its own name; then only the truth
 * is held to the promises. */
enum trouble_kind { TROUBLE_NONE, TROUBLE_FAULTS, TROUBLE_LIES };

enum trouble_kind trouble_begin(enum trouble_kind kind);
void trouble_heal(void); /* everything is well from now on, and every engine lives */

#endif
