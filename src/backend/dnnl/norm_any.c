#include "backend/dnnl/norm_any.h"

enum { GROUP = CO_NORM_GROUP };

/* One value per place in a run, modulo 16. The places of one channel are `group` apart. */
typedef struct places {
    float at[GROUP];
} places;

typedef struct sums {
    double at[GROUP];
} sums;

co_norm_layout co_norm_rows_layout(int channels, int h, int w)
{
    ptrdiff_t plane = (ptrdiff_t)h * w;
    return (co_norm_layout){
        .group = 1, .runs = 1, .run = (int)plane, .row = channels * plane, .item = plane};
}

co_norm_layout co_norm_last_layout(int channels, int h, int w)
{
    return (co_norm_layout){.group = GROUP,
                            .runs = h * w,
                            .run = GROUP,
                            .row = (ptrdiff_t)channels * h * w,
                            .item = GROUP,
                            .run_stride = channels};
}

co_norm_layout co_norm_block_layout(int channels, int h, int w, int block)
{
    ptrdiff_t item = (ptrdiff_t)h * w * block;
    ptrdiff_t blocks = (channels + block - 1) / block;
    return (co_norm_layout){
        .group = block, .runs = 1, .run = (int)item, .row = blocks * item, .item = item};
}

int co_norm_items(const co_norm_layout *l, int channels)
{
    return (channels + l->group - 1) / l->group;
}

/* Where a run of an item lies. */
static ptrdiff_t run_at(const co_norm_layout *l, int row, int item, int run)
{
    return row * l->row + item * l->item + run * l->run_stride;
}

/* Floats of a run: with channels last the last group may be short, and others' follow. */
static int run_floats(const co_lane_norm *d, const co_norm_layout *l, int item)
{
    int left = d->channels - item * l->group;
    return l->run_stride != 0 && left < l->run ? left : l->run;
}

/* Channels of an item that are there; blocks are padded with zeros. */
static int item_channels(const co_lane_norm *d, const co_norm_layout *l, int item)
{
    int left = d->channels - item * l->group;
    return left < l->group ? left : l->group;
}

static double channel_sum(const co_norm_layout *l, const sums *s, int k)
{
    double sum = 0.0;
    for (int i = k; i < GROUP; i += l->group) {
        sum += s->at[i];
    }
    return sum;
}

/* ------------------------------------------------------------------ forward */

/* Sums of x - shift, or of its squares. */
static sums add_up(const co_lane_norm *d, const co_norm_layout *l, const float *x, int item,
                   const sums *shift, bool square)
{
    sums s = {{0.0}};
    const int floats = run_floats(d, l, item);
    for (int row = 0; row < d->rows; row++) {
        for (int run = 0; run < l->runs; run++) {
            const float *from = x + run_at(l, row, item, run);
            for (int i = 0; i < floats; i++) {
                double v = (double)from[i] - shift->at[i % GROUP];
                s.at[i % GROUP] += square ? v * v : v;
            }
        }
    }
    return s;
}

void co_norm_any_moments(const co_lane_norm *d, const co_norm_layout *l, const float *x,
                         double *mean, double *squares, int begin, int end)
{
    const double n = (double)d->rows * d->h * d->w;
    const sums zero = {{0.0}};
    for (int item = begin; item < end; item++) {
        const int channels = item_channels(d, l, item);
        const int first = item * l->group;
        sums s = add_up(d, l, x, item, &zero, false);
        sums middle = zero;
        for (int k = 0; k < channels; k++) {
            mean[first + k] = channel_sum(l, &s, k) / n;
            for (int i = k; i < GROUP; i += l->group) {
                middle.at[i] = mean[first + k];
            }
        }
        s = add_up(d, l, x, item, &middle, true);
        for (int k = 0; k < channels; k++) {
            squares[first + k] = channel_sum(l, &s, k);
        }
    }
}

static double of_channel(const float *values, int channel, double otherwise)
{
    return values != NULL ? (double)values[channel] : otherwise;
}

/* Padding channels stay 0. */
static void set_places(const co_norm_layout *l, places *p, int k, double value)
{
    for (int i = k; i < GROUP; i += l->group) {
        p->at[i] = (float)value;
    }
}

void co_norm_any_normalise(const co_lane_norm *d, const co_norm_layout *l,
                           const co_lane_norm_args *a, const double *mean, const double *rstd,
                           int begin, int end)
{
    for (int item = begin; item < end; item++) {
        const int floats = run_floats(d, l, item);
        places factor = {{0.0f}};
        places shift = {{0.0f}};
        for (int k = 0; k < item_channels(d, l, item); k++) {
            int c = item * l->group + k;
            double slope = of_channel(a->gamma, c, 1.0) * rstd[c];
            set_places(l, &factor, k, slope);
            set_places(l, &shift, k, of_channel(a->beta, c, 0.0) - mean[c] * slope);
        }
        for (int row = 0; row < d->rows; row++) {
            for (int run = 0; run < l->runs; run++) {
                const float *x = a->x + run_at(l, row, item, run);
                float *y = a->y + run_at(l, row, item, run);
                for (int i = 0; i < floats; i++) {
                    float v = x[i] * factor.at[i % GROUP] + shift.at[i % GROUP];
                    y[i] = d->relu && v < 0.0f ? 0.0f : v; /* a NaN stays */
                }
            }
        }
    }
}

/* ------------------------------------------------------------------ backward */

/* Places of saved_mean. */
static places means_of(const co_lane_norm *d, const co_norm_layout *l, const co_lane_norm_args *a,
                       int item)
{
    places mean = {{0.0f}};
    for (int k = 0; k < item_channels(d, l, item); k++) {
        set_places(l, &mean, k, (double)a->saved_mean[item * l->group + k]);
    }
    return mean;
}

void co_norm_any_sums(const co_lane_norm *d, const co_norm_layout *l, const co_lane_norm_args *a,
                      double *sum_dy, double *sum_dyx, int begin, int end)
{
    for (int item = begin; item < end; item++) {
        const int floats = run_floats(d, l, item);
        const places mean = means_of(d, l, a, item);
        sums of_dy = {{0.0}};
        sums of_dyx = {{0.0}};
        for (int row = 0; row < d->rows; row++) {
            for (int run = 0; run < l->runs; run++) {
                ptrdiff_t at = run_at(l, row, item, run);
                for (int i = 0; i < floats; i++) {
                    double g = d->relu && !(a->y[at + i] > 0.0f) ? 0.0 : (double)a->dy[at + i];
                    of_dy.at[i % GROUP] += g;
                    of_dyx.at[i % GROUP] += g * (double)(a->x[at + i] - mean.at[i % GROUP]);
                }
            }
        }
        for (int k = 0; k < item_channels(d, l, item); k++) {
            int c = item * l->group + k;
            sum_dy[c] = channel_sum(l, &of_dy, k);
            sum_dyx[c] = channel_sum(l, &of_dyx, k);
            if (a->dgamma != NULL) {
                a->dgamma[c] = (float)(sum_dyx[c] * (double)a->saved_rstd[c]);
            }
            if (a->dbeta != NULL) {
                a->dbeta[c] = (float)sum_dy[c];
            }
        }
    }
}

void co_norm_any_gradient(const co_lane_norm *d, const co_norm_layout *l,
                          const co_lane_norm_args *a, const double *mean_dy, const double *mean_dyx,
                          int begin, int end)
{
    for (int item = begin; item < end; item++) {
        const int floats = run_floats(d, l, item);
        const places mean = means_of(d, l, a, item);
        places factor = {{0.0f}};
        places shift = {{0.0f}};
        places slope = {{0.0f}};
        for (int k = 0; k < item_channels(d, l, item); k++) {
            int c = item * l->group + k;
            double rstd = (double)a->saved_rstd[c];
            set_places(l, &factor, k, of_channel(a->gamma, c, 1.0) * rstd);
            set_places(l, &shift, k, -mean_dy[c]);
            set_places(l, &slope, k, -rstd * rstd * mean_dyx[c]);
        }
        for (int row = 0; row < d->rows; row++) {
            for (int run = 0; run < l->runs; run++) {
                ptrdiff_t at = run_at(l, row, item, run);
                for (int i = 0; i < floats; i++) {
                    int p = i % GROUP;
                    float g = d->relu && !(a->y[at + i] > 0.0f) ? 0.0f : a->dy[at + i];
                    float v = (a->x[at + i] - mean.at[p]) * slope.at[p] + (g + shift.at[p]);
                    a->dx[at + i] = v * factor.at[p];
                }
            }
        }
    }
}
