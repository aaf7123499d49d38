/* eurosys20.h - calls during which their CPU is not interrupted (eurosys20.c, batch).
 */
#ifndef MM_FLUSH_EUROSYS20_H
#define MM_FLUSH_EUROSYS20_H

#include "mm/flush.h"

/* flush_ops.call_begin, .call_end. */
void eurosys20_call_begin(struct mm *mm);
void eurosys20_call_end(void);
/* What call_end() consists of, but for catching up: others interrupt again (false:
 * there was no call); as oracles see it, the program runs. */
bool eurosys20_call_left(void);
void eurosys20_is_back(void);

#endif
