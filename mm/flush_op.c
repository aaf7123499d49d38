#include "mm/flush_op.h"

const char *const flush_op_names[] = {
#define FLUSH_OP(id, name, help) name,
#include "mm/flush_op.def"
#undef FLUSH_OP
	NULL
};

const char *const flush_op_help[] = {
#define FLUSH_OP(id, name, help) help,
#include "mm/flush_op.def"
#undef FLUSH_OP
	NULL
};
