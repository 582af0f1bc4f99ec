#define CO_VECTOR_TABLE co_vector_plain
#include "backend/dnnl/vector.inc"
