/* Pairs: a message is done when its receipt is back at the sender. */
#include "core.h"

static struct places senders;
static struct histogram latency;
static uint64_t sent, done, arrived_in_window;
static struct pace pace;

static void begin(int64_t now)
{
    (void)now;
    senders = places_to_send(options.both ? 0 : 1, false);
    if (senders.count == 0)
        failed(NULL, "there are no pairs");
    pace = pace_from(options.rate * senders.share, window.begin);
    for (uint32_t i = 0; options.rate == 0 && i < senders.count * options.in_flight; i++, sent++)
        send_message(next_place(&senders), next_number(), clock_now());
}

/* Open loop: who is late because the server or this program was busy has been waiting since it was due. */
static int64_t due(int64_t now)
{
    int64_t moment;
    while (pace.next < window.end && pace_due(&pace, now, &moment)) {
        send_message(next_place(&senders), next_number(), moment);
        sent++;
    }
    return pace.next < window.end ? pace.next : NEVER;
}

static void on_receipt(struct connection *connection, uint32_t number, struct ticket *ticket, int64_t now)
{
    bool open_loop = options.rate > 0;
    struct place place = ticket->place;
    (void)connection;
    if (counts(open_loop ? ticket->started : now)) {
        histogram_add(&latency, now - ticket->started);
        done++;
    }
    return_ticket(number);
    if (open_loop || now >= window.end)
        return;
    send_message(place, next_number(), now);
    sent++;
}

static void on_arrived(struct connection *connection, uint64_t number, int64_t due_at, int64_t now)
{
    (void)connection, (void)number, (void)due_at;
    arrived_in_window += counts(now);
}

static bool over(int64_t now)
{
    (void)now;
    return under_way == 0;
}

static void report(void)
{
    json_integer("messages", (int64_t)done);
    json_integer("arrived", (int64_t)arrived_in_window);
    json_integer("sent_in_all", (int64_t)sent);
    json_integer("senders", senders.count);
    json_latency("latency_us", &latency);
}

const struct workload pairs = {
    .name = "pairs",
    .about = "pairs of people write; a message is done when its receipt is back",
    .timed = true,
    .gathered = true,
    .begin = begin,
    .due = due,
    .receipt = on_receipt,
    .arrived = on_arrived,
    .over = over,
    .report = report,
};
