/* Filling mailboxes: messages to people who are away, as fast as the server takes them. */
#include <stdlib.h>

#include "core.h"

static struct places senders;
static uint64_t *rounds; /* of each place: how many it has sent */
static uint64_t sent, done, due_in_all;
static struct histogram latency;

static bool connects(const struct person *person)
{
    for (uint32_t i = 0; i < person->count; i++)
        if (!person->conversations[i]->group && person->conversations[i]->members[0] == person->number)
            return true;
    return false;
}

/* Message n is written in pair n modulo the number of pairs, whichever process plays that. */
static void send_next(uint32_t which, int64_t now)
{
    uint64_t number = senders.place[which].order + rounds[which] * senders.all;
    if (number >= options.messages)
        return;
    rounds[which]++;
    sent++;
    send_message(senders.place[which], number, now);
}

static void begin(int64_t now)
{
    senders = places_to_send(1, false);
    rounds = calloc(senders.count + 1, sizeof *rounds);
    if (rounds == NULL || senders.count == 0)
        failed(NULL, "there are no pairs");
    for (uint32_t i = 0; i < senders.count; i++)
        due_in_all += (options.messages + senders.all - 1 - senders.place[i].order) / senders.all;
    for (uint32_t j = 0; j < options.in_flight; j++)
        for (uint32_t i = 0; i < senders.count; i++)
            send_next(i, now);
}

static void on_stored(struct connection *connection, uint32_t number, struct ticket *ticket)
{
    (void)connection;
    int64_t now = clock_now();
    uint32_t which = ticket->place.index;
    histogram_add(&latency, now - ticket->started);
    done++;
    return_ticket(number);
    send_next(which, now);
}

static bool over(int64_t now)
{
    (void)now;
    return done == due_in_all;
}

static void report(void)
{
    json_integer("messages", (int64_t)done);
    json_integer("senders", senders.count);
    json_latency("latency_us", &latency);
}

const struct workload fill = {
    .name = "fill",
    .about = "the first of each pair sends to the other, who is away, until --messages are stored",
    .gathered = true,
    .connects = connects,
    .begin = begin,
    .stored = on_stored,
    .over = over,
    .report = report,
};
