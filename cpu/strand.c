#include "cpu/step.h"
#include "cpu/strand.h"

void strand_run(struct strand *s)
{
	if (the_sys->drv.strand) {
		the_sys->drv.strand(s);
		return;
	}
	for (;;) {
		switch (s->next(s)) {
		case STRAND_STEP:
			step(s->obj, s->is_write, s->cycles);
			break;
		case STRAND_CALL:
			s->call(s);
			break;
		case STRAND_END:
			return;
		}
	}
}
