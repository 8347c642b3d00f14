/* Taking what waits: calmly (drain), or all devices at once, as after a failure of the network (storm). */
#include <stdlib.h>

#include "core.h"

static uint8_t *seen; /* of each number of `fill`: whether it came */
static uint64_t expected, distinct, twice, foreign;
static int64_t newest; /* when the last message came */
static struct histogram until_signed_in;
static uint64_t waited_least = UINT64_MAX, waited_most;

static bool is_away_in_fill(const struct person *person)
{
    for (uint32_t i = 0; i < person->count; i++)
        if (!person->conversations[i]->group && person->conversations[i]->members[0] != person->number)
            return true;
    return false;
}

/* Expect what `fill` with the same --messages sent to people that are ours. */
static void expect(void)
{
    uint32_t pairs_count = 0, order = 0;
    for (uint32_t i = 0; i < conversations_count; i++)
        pairs_count += !conversations[i].group;
    for (uint32_t i = 0; i < conversations_count; i++) {
        if (conversations[i].group)
            continue;
        if (is_ours(&people[conversations[i].members[1]]) && options.messages > order)
            expected += (options.messages + pairs_count - 1 - order) / pairs_count;
        order++;
    }
    seen = calloc(options.messages / 8 + 1, 1);
    if (seen == NULL)
        abort();
}

static void begin_drain(int64_t now)
{
    newest = now;
    expect();
    gather(is_away_in_fill, options.at_once);
}

static void begin_storm(int64_t now)
{
    newest = now;
    expect();
    for (uint32_t i = 0; i < people_count; i++)
        cut(&connections[i]);
    gather(NULL, UINT32_MAX);
}

static void on_signed_in(struct connection *connection)
{
    if (seen == NULL)
        return; /* the calm sign-in before a storm */
    histogram_add(&until_signed_in, clock_now() - gathering.began);
    if (connection->arrived < waited_least)
        waited_least = connection->arrived;
    if (connection->arrived > waited_most)
        waited_most = connection->arrived;
}

static void on_arrived(struct connection *connection, uint64_t number, int64_t due, int64_t now)
{
    (void)connection, (void)due;
    if (seen == NULL)
        return;
    newest = now;
    if (number >= options.messages) {
        foreign++;
    } else if (seen[number / 8] & 1 << number % 8) {
        twice++;
    } else {
        seen[number / 8] |= (uint8_t)(1 << number % 8);
        distinct++;
    }
}

static int64_t give_up_at(void) { return newest + (int64_t)(options.patience * SECOND); }

static int64_t due(int64_t now)
{
    (void)now;
    return all_gathered() ? give_up_at() : NEVER;
}

static bool over(int64_t now)
{
    if (gathering.ended > newest)
        newest = gathering.ended;
    return all_gathered() && (distinct == expected || now >= give_up_at());
}

static void report(void)
{
    json_integer("messages", (int64_t)distinct);
    json_integer("missing", (int64_t)(expected - distinct));
    json_integer("twice", (int64_t)twice);
    json_integer("foreign", (int64_t)foreign);
    json_integer("lost_connections", gathering.lost);
    json_text("lost_because", gathering.last_reason);
    json_real("sign_in_seconds", (double)(gathering.ended - gathering.began) / SECOND);
    json_real("until_last_seconds", (double)(newest - gathering.began) / SECOND);
    json_integer("waited_least", (int64_t)(waited_least == UINT64_MAX ? 0 : waited_least));
    json_integer("waited_most", (int64_t)waited_most);
    json_latency("signed_in_after_us", &until_signed_in);
}

const struct workload drain = {
    .name = "drain",
    .about = "those who were away in `fill` come and take what waits; --messages must be the same",
    .begin = begin_drain,
    .due = due,
    .signed_in = on_signed_in,
    .arrived = on_arrived,
    .over = over,
    .report = report,
};

const struct workload storm = {
    .name = "storm",
    .about = "all devices connect at the same moment, and come back until all have what waits for them",
    .comes_back = true,
    .begin = begin_storm,
    .due = due,
    .signed_in = on_signed_in,
    .arrived = on_arrived,
    .over = over,
    .report = report,
};
