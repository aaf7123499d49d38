/* flush_op.h - what a flush is for. A strategy may treat operations differently,
 * and says for which of them it is legal. Table: flush_op.def.
 */
#ifndef MM_FLUSH_OP_H
#define MM_FLUSH_OP_H

#include "base/types.h"

enum flush_op {
#define FLUSH_OP(id, name, help) FLUSH_##id,
#include "mm/flush_op.def"
#undef FLUSH_OP
	NR_FLUSH_OPS
};

/* A bit for each. */
typedef u32 flush_ops_set;
#define FLUSH_BIT(op) (1u << (op))
#define FLUSH_ALL_OPS (FLUSH_BIT(NR_FLUSH_OPS) - 1)
/* Of which it is too late to drop after one has answered, if before the program's next
 * access: hardware may meanwhile walk a table that is gone, or hold both sizes. */
#define FLUSH_WALKED_OPS \
	(FLUSH_BIT(FLUSH_TABLES) | FLUSH_BIT(FLUSH_EXIT) | \
	 FLUSH_BIT(FLUSH_MREMAP) | FLUSH_BIT(FLUSH_SPLIT) | \
	 FLUSH_BIT(FLUSH_COLLAPSE))

extern const char *const flush_op_names[];      /* [NR_FLUSH_OPS], then NULL  */
extern const char *const flush_op_help[];

#endif
