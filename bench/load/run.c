/* One run: gather, say so, work in the window that the runner gives, and report. */
#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "core.h"

#define RECEIPTS_SECONDS 30 /* how long the last receipts may take after the window */
#define BEGIN_SOON (SECOND / 5)

struct window window = {NEVER, NEVER, NEVER};
static struct edge {
    int64_t at;
    double cpu_seconds, user_seconds;
} first, last; /* what the window really was */
static bool told_to_go;
bool told_to_stop;

static double seconds_of(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

double own_cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

/* `go`, or `go BEGIN START END` with seconds of CLOCK_MONOTONIC. */
static void on_line(const char *line)
{
    double begin, start, end;
    int found = sscanf(line, "go %lf %lf %lf", &begin, &start, &end);
    told_to_stop = told_to_stop || line[0] == 's';
    if (line[0] != 'g' || told_to_go)
        return;
    told_to_go = true;
    window.begin = clock_now() + BEGIN_SOON;
    window.start = window.begin + (int64_t)(options.warm_up * SECOND);
    window.end = window.start + (int64_t)(options.seconds * SECOND);
    if (found == 3)
        window = (struct window){(int64_t)(begin * SECOND), (int64_t)(start * SECOND), (int64_t)(end * SECOND)};
    if (!options.workload->timed)
        window = (struct window){window.begin, window.begin, NEVER};
}

static void edge(struct edge *edge, const char *event)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    edge->at = clock_now();
    edge->user_seconds = seconds_of(usage.ru_utime);
    edge->cpu_seconds = edge->user_seconds + seconds_of(usage.ru_stime);
    json_begin(event);
    json_real("at", (double)edge->at / SECOND);
    json_end();
}

static int64_t earlier(int64_t one, int64_t two) { return one < two ? one : two; }

/* Let the loop turn once, at most until `until`. */
static void turn(int64_t until)
{
    int64_t now = clock_now();
    gather_step(now);
    loop_turn(earlier(until, gather_due()), on_line);
}

static void get_ready(void)
{
    if (options.workload->gathered || options.known) {
        gather(options.workload->connects, options.at_once);
        while (!all_gathered())
            turn(NEVER);
    }
    json_begin("ready");
    json_integer("connections", gathering.signed_in);
    json_real("sign_in_seconds", (double)(gathering.ended - gathering.began) / SECOND);
    json_real("sign_in_cpu_seconds", gathering.cpu_seconds);
    json_end();
    if (!options.wait)
        on_line("go");
    while (!told_to_go) {
        if (stdin_ended)
            exit(0); /* the runner has ended */
        turn(NEVER);
    }
}

static void work(void)
{
    const struct workload *workload = options.workload;
    bool working = false;
    for (;;) {
        int64_t now = clock_now(), due = NEVER;
        if (!working && now >= window.begin) {
            working = true;
            workload->begin(now);
        }
        if (first.at == 0 && now >= window.start)
            edge(&first, "begins");
        if (last.at == 0 && now >= window.end)
            edge(&last, "ends");
        if (working && workload->due)
            due = workload->due(now);
        if (working && (last.at || !workload->timed) && workload->over(now))
            break;
        if (last.at && now > window.end + RECEIPTS_SECONDS * SECOND)
            failed(NULL, "%u messages have no receipt", under_way);
        int64_t next = working ? due : window.begin;
        if (first.at == 0)
            next = earlier(next, window.start);
        if (last.at == 0)
            next = earlier(next, window.end);
        turn(next);
    }
    if (last.at == 0)
        edge(&last, "ends");
}

static void report(void)
{
    json_begin("report");
    json_text("workload", options.workload->name);
    json_text("protocol", options.protocol->name);
    json_integer("connections", gathering.signed_in);
    json_real("window_begins", (double)first.at / SECOND);
    json_real("window_ends", (double)last.at / SECOND);
    json_real("seconds", (double)(last.at - first.at) / SECOND);
    json_real("own_cpu_seconds", last.cpu_seconds - first.cpu_seconds);
    json_real("own_user_cpu_seconds", last.user_seconds - first.user_seconds); /* the rest is the kernel's */
    options.workload->report();
    json_end();
}

static void leave(void)
{
    for (uint32_t i = 0; i < people_count; i++) {
        connections[i].leaving = true;
        if (connections[i].fd >= 0 && connections[i].signed_in && options.protocol->leave)
            options.protocol->leave(&connections[i]);
    }
    loop_turn(0, on_line);
    for (uint32_t i = 0; i < people_count; i++) {
        cut(&connections[i]);
        if (is_ours(&people[i]) && options.protocol->forget)
            options.protocol->forget(&connections[i]);
    }
}

int run(void)
{
    loop_start();
    loop_listen_to_stdin();
    get_ready();
    work();
    report();
    leave();
    return 0;
}

struct pace pace_from(double rate, int64_t begin) { return (struct pace){rate, rate > 0 ? begin : NEVER}; }

bool pace_due(struct pace *pace, int64_t now, int64_t *due)
{
    if (pace->next > now)
        return false;
    double gap = 1 / pace->rate;
    if (options.poisson)
        gap *= -log(1 - (double)(random_bits() >> 11) / (double)(UINT64_C(1) << 53));
    *due = pace->next;
    pace->next += (int64_t)(gap * SECOND);
    return true;
}
