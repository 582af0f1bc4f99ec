/* Prints the machine's limits, one JSON line per instruction set and number of threads:
 * peak [THREADS...], by default 1 and 2. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/machine.h"

static co_status measure(const char *isa, int threads, co_error *err)
{
    const co_peak_kernels *kernels = co_peak_find(isa);
    if (kernels == NULL) {
        return CO_OK;
    }
    co_team *team = NULL;
    CO_TRY(co_team_create(threads, &team, err));
    double gflops = co_peak_gflops(kernels, team);
    double bandwidth = 0.0;
    co_status status = co_peak_bandwidth(kernels, team, &bandwidth, err);
    if (status == CO_OK) {
        printf("{\"program\": \"peak\", \"isa\": \"%s\", \"threads\": %d, \"gflops\": %.1f, "
               "\"memory_gb_s\": %.1f}\n",
               kernels->isa, threads, gflops, bandwidth);
    }
    co_team_destroy(team);
    return status;
}

int main(int argc, char **argv)
{
    static char *const usual[] = {"1", "2"};
    char *const *list = argc > 1 ? argv + 1 : usual;
    int count = argc > 1 ? argc - 1 : 2;
    static const char *const isas[] = {"avx512", "avx2", "plain"};
    co_error err;
    for (int i = 0; i < count; i++) {
        int threads = atoi(list[i]);
        if (threads < 1 || threads > 1024) {
            fprintf(stderr, "peak: '%s' is not a number of threads (1 to 1024)\n", list[i]);
            return CO_USAGE;
        }
        for (size_t k = 0; k < sizeof(isas) / sizeof(isas[0]); k++) {
            if (measure(isas[k], threads, &err) != CO_OK) {
                fprintf(stderr, "peak: %s\n", err.text);
                return (int)err.status;
            }
        }
    }
    return 0;
}
