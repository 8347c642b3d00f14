/* How often which latency was seen: exact to a microsecond up to 2 ms, above that to a thousandth. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define FINE 11 /* bits that are kept of a value */
#define BUCKETS ((34 - FINE) << (FINE - 1)) /* up to 2^32 us: more than an hour */

struct histogram {
    uint64_t count, most;
    double sum;
    uint32_t bucket[BUCKETS];
};

void histogram_add(struct histogram *, int64_t nanoseconds);
/* The value (microseconds) that this part (0 to 1) of the values does not exceed; 0 if there are none. */
uint64_t histogram_quantile(const struct histogram *, double part);
/* The lowest value of a bucket, in microseconds. */
uint64_t histogram_value(uint32_t bucket);

#endif
