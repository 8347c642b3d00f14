#include "histogram.h"

#include <math.h>

static uint32_t bucket_of(uint64_t value)
{
    if (value < (1u << FINE))
        return (uint32_t)value;
    if (value > UINT32_MAX)
        value = UINT32_MAX;
    uint32_t shift = (uint32_t)(64 - __builtin_clzll(value)) - FINE;
    return (shift << (FINE - 1)) + (uint32_t)(value >> shift);
}

uint64_t histogram_value(uint32_t bucket)
{
    if (bucket < (1u << FINE))
        return bucket;
    uint32_t shift = (bucket >> (FINE - 1)) - 1;
    return (uint64_t)(bucket - (shift << (FINE - 1))) << shift;
}

void histogram_add(struct histogram *histogram, int64_t nanoseconds)
{
    uint64_t value = nanoseconds < 0 ? 0 : (uint64_t)nanoseconds / 1000;
    histogram->bucket[bucket_of(value)]++;
    histogram->count++;
    histogram->sum += (double)value;
    if (value > histogram->most)
        histogram->most = value;
}

uint64_t histogram_quantile(const struct histogram *histogram, double part)
{
    uint64_t rank = (uint64_t)ceil(part * (double)histogram->count);
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
        seen += histogram->bucket[bucket];
        if (seen >= rank && seen > 0)
            return histogram_value(bucket);
    }
    return 0;
}
