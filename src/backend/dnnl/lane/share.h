/* Small helpers of the lane kernels that do not depend on the instruction set. Private. */
#ifndef CO_BACKEND_DNNL_LANE_SHARE_H
#define CO_BACKEND_DNNL_LANE_SHARE_H

static inline int co_div_up(int a, int b)
{
    return (a + b - 1) / b;
}
static inline int co_min(int a, int b)
{
    return a < b ? a : b;
}
static inline int co_max(int a, int b)
{
    return a > b ? a : b;
}

/* `count` things cut into `parts` pieces whose sizes differ by at most one, larger ones first. */
static inline int co_piece_begin(int count, int parts, int part)
{
    return part * (count / parts) + co_min(part, count % parts);
}
static inline int co_piece_size(int count, int parts, int part)
{
    return count / parts + (part < count % parts);
}

#endif
