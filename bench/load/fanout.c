/* Conversations of many: a message is done when every member whom this process plays has it. */
#include <string.h>

#include "core.h"

#define FLIGHTS 65536 /* messages of this process that may be under way */

static struct flight {
    uint64_t number;
    struct place place;
    uint32_t missing; /* members that do not have it yet */
} flights[FLIGHTS];

static struct places senders;
static struct pace pace;
static struct histogram latency;
static uint64_t serial, flying, done, deliveries;

/* How many of a conversation's members are played here and will get what this member sends. */
static uint32_t others_here(struct place place)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < place.conversation->count; i++) {
        uint32_t member = place.conversation->members[i];
        count += member != place.connection->person->number && is_ours(&people[member]);
    }
    return count;
}

static void send_one(struct place place, int64_t due)
{
    struct flight *flight = &flights[serial % FLIGHTS];
    if (flight->missing)
        failed(NULL, "%d messages are under way: the server cannot follow", FLIGHTS);
    *flight = (struct flight){serial * options.parts + options.part, place, others_here(place)};
    serial++;
    flying += flight->missing > 0;
    send_message(place, flight->number, due);
}

static void begin(int64_t now)
{
    senders = places_to_send(options.senders, true);
    pace = pace_from(options.rate * senders.share, window.begin);
    for (uint32_t i = 0; options.rate == 0 && i < senders.count * options.in_flight; i++)
        send_one(next_place(&senders), now);
}

static int64_t due(int64_t now)
{
    int64_t moment;
    if (senders.count == 0)
        return NEVER;
    while (pace.next < window.end && pace_due(&pace, now, &moment))
        send_one(next_place(&senders), moment);
    return pace.next < window.end ? pace.next : NEVER;
}

static void on_stored(struct connection *connection, uint32_t number, struct ticket *ticket)
{
    (void)connection, (void)ticket;
    return_ticket(number);
}

static void on_arrived(struct connection *connection, uint64_t number, int64_t due_at, int64_t now)
{
    struct flight *flight = &flights[number / options.parts % FLIGHTS];
    (void)connection;
    if (counts(now)) {
        deliveries++;
        histogram_add(&latency, now - due_at);
    }
    if (number % options.parts != options.part || flight->number != number || flight->missing == 0)
        return; /* of another process, or of an earlier run */
    if (--flight->missing > 0)
        return;
    flying--;
    done += counts(now);
    if (options.rate == 0 && now < window.end)
        send_one(flight->place, now);
}

static bool over(int64_t now)
{
    (void)now;
    return under_way == 0 && flying == 0;
}

static void report(void)
{
    json_integer("messages", (int64_t)done);
    json_integer("deliveries", (int64_t)deliveries);
    json_integer("senders", senders.count);
    json_latency("latency_us", &latency);
}

const struct workload fanout = {
    .name = "fanout",
    .about = "members of groups send, all others get it; --senders in each group; deliveries are counted",
    .timed = true,
    .gathered = true,
    .begin = begin,
    .due = due,
    .stored = on_stored,
    .arrived = on_arrived,
    .over = over,
    .report = report,
};
