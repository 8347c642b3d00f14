/* What is written on stdout: one JSON object a line. */
#include "core.h"

void json_begin(const char *event) { printf("{\"event\": \"%s\"", event); }

void json_end(void)
{
    puts("}");
    fflush(stdout);
}

void json_integer(const char *name, int64_t value) { printf(", \"%s\": %lld", name, (long long)value); }

void json_real(const char *name, double value) { printf(", \"%s\": %.6f", name, value); }

void json_text(const char *name, const char *value)
{
    printf(", \"%s\": \"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            putchar('\\');
        if ((unsigned char)*value >= ' ')
            putchar(*value);
    }
    putchar('"');
}

void json_latency(const char *name, const struct histogram *histogram)
{
    double mean = histogram->count ? histogram->sum / (double)histogram->count : 0;
    printf(", \"%s\": {\"count\": %llu, \"mean\": %.1f", name, (unsigned long long)histogram->count, mean);
    static const struct {
        const char *name;
        double part;
    } quantiles[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}};
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        printf(", \"%s\": %llu", quantiles[i].name,
               (unsigned long long)histogram_quantile(histogram, quantiles[i].part));
    printf(", \"max\": %llu, \"buckets\": [", (unsigned long long)histogram->most);
    const char *between = "";
    for (uint32_t i = 0; i < BUCKETS; i++)
        if (histogram->bucket[i]) {
            printf("%s[%llu, %u]", between, (unsigned long long)histogram_value(i), histogram->bucket[i]);
            between = ", ";
        }
    printf("]}");
}
