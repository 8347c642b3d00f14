/* Connecting and signing in, so many at the same time; and coming back where connections are lost. */
#include <stdlib.h>

#include "core.h"

#define PATIENCE (60 * SECOND) /* somebody must get in within this time */
#define COME_BACK (SECOND / 10) /* a device that lost its connection waits so long, and up to ten times that */

struct gathering gathering;

static bool (*wanted)(const struct person *);
static uint32_t next, most, under_way_now; /* whom to ask next; connections that are being made */
static int64_t progress; /* when somebody got in */
static double cpu_before;

static struct back {
    struct connection *connection;
    int64_t at;
} *back; /* who will come back, and when */
static uint32_t back_count;
static int64_t back_due = NEVER;

static bool is_wanted(const struct person *one) { return is_ours(one) && (wanted == NULL || wanted(one)); }

void gather(bool (*who)(const struct person *), uint32_t at_once)
{
    wanted = who;
    most = at_once;
    next = under_way_now = back_count = 0;
    gathering = (struct gathering){.began = clock_now()};
    progress = gathering.began;
    cpu_before = own_cpu_seconds();
    for (uint32_t i = 0; i < people_count; i++)
        gathering.wanted += is_wanted(&people[i]);
    if (gathering.wanted == 0)
        failed(NULL, "nobody is to connect");
    if (back == NULL)
        back = malloc(people_count * sizeof *back);
}

bool all_gathered(void) { return gathering.wanted > 0 && gathering.signed_in == gathering.wanted; }

int64_t gather_due(void)
{
    if (gathering.wanted == 0 || all_gathered())
        return NEVER;
    return under_way_now < most && next < people_count ? 0 : back_due;
}

static void come_back(int64_t now)
{
    back_due = NEVER;
    for (uint32_t i = 0; i < back_count; i++) {
        if (back[i].at <= now) {
            struct connection *returning = back[i].connection;
            back[i--] = back[--back_count];
            open_connection(returning);
        } else if (back[i].at < back_due) {
            back_due = back[i].at;
        }
    }
}

void gather_step(int64_t now)
{
    if (gathering.wanted == 0 || all_gathered())
        return;
    for (; under_way_now < most && next < people_count; next++) {
        if (!is_wanted(&people[next]))
            continue;
        under_way_now++;
        open_connection(&connections[next]);
    }
    if (now >= back_due)
        come_back(now);
    if (now - progress > PATIENCE)
        failed(NULL, "%u of %u cannot sign in", gathering.wanted - gathering.signed_in, gathering.wanted);
}

void signed_in(struct connection *connection)
{
    if (connection->signed_in)
        return;
    connection->signed_in = true;
    under_way_now--;
    gathering.signed_in++;
    progress = clock_now();
    if (all_gathered()) {
        gathering.ended = progress;
        gathering.cpu_seconds = own_cpu_seconds() - cpu_before;
    }
    if (options.workload->signed_in)
        options.workload->signed_in(connection);
}

/* A connection is gone: after a goodbye that is right, devices of some workloads come back, all else is a failure. */
void lost(struct connection *connection, bool was_signed_in, const char *reason)
{
    if (connection->leaving)
        return;
    if (!options.workload->comes_back)
        failed(connection, "lost its connection: %s", reason);
    gathering.lost++;
    snprintf(gathering.last_reason, sizeof gathering.last_reason, "%s", reason);
    if (all_gathered())
        return; /* the workload will have them all come back */
    if (was_signed_in) {
        gathering.signed_in--;
        under_way_now++;
    }
    int64_t at = clock_now() + COME_BACK + (int64_t)(random_bits() % (9 * COME_BACK));
    back[back_count++] = (struct back){connection, at};
    if (at < back_due)
        back_due = at;
}
