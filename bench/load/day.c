/* A day in little: people write in pairs and in groups, type, come and go, each at its own rate. */
#include "core.h"

enum kind { MESSAGES, GROUP_MESSAGES, TYPINGS, PRESENCES, KINDS };

static struct places in_pairs, in_groups;
static struct pace paces[KINDS];
static uint64_t done[KINDS], seen[2], group_deliveries;
static struct histogram latency, group_latency;

static void begin(int64_t now)
{
    (void)now;
    in_pairs = places_to_send(0, false);
    in_groups = places_to_send(options.senders, true);
    if (in_pairs.count == 0)
        failed(NULL, "there are no pairs");
    paces[MESSAGES] = pace_from(options.rate * in_pairs.share, window.begin);
    paces[GROUP_MESSAGES] = pace_from(options.group_rate * in_groups.share, window.begin);
    paces[TYPINGS] = pace_from(options.typing_rate * in_pairs.share, window.begin);
    paces[PRESENCES] = pace_from(options.presence_rate * in_pairs.share, window.begin);
    for (uint32_t i = 0; i < in_pairs.count; i++) {
        struct place place = in_pairs.place[i];
        options.protocol->presence(place.connection, true);
        options.protocol->watch(place.connection, &place.conversation, 1);
    }
}

static struct place any(struct places *places) { return places->place[random_bits() % places->count]; }

static void act(enum kind kind, int64_t moment)
{
    static uint64_t turn;
    struct place place = any(kind == GROUP_MESSAGES ? &in_groups : &in_pairs);
    if (kind == MESSAGES || kind == GROUP_MESSAGES) /* the last bit tells who gets it which kind it is */
        send_message(place, next_number() << 1 | (kind == GROUP_MESSAGES), moment);
    else if (kind == TYPINGS)
        options.protocol->typing(place.connection, place.conversation, turn++ % 2 == 0);
    else
        options.protocol->presence(place.connection, turn++ % 2 == 0);
    if (kind != MESSAGES)
        done[kind] += counts(moment);
}

static int64_t due(int64_t now)
{
    int64_t next = NEVER, moment;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        while (paces[kind].next < window.end && pace_due(&paces[kind], now, &moment))
            act(kind, moment);
        if (paces[kind].next < window.end && paces[kind].next < next)
            next = paces[kind].next;
    }
    return next;
}

static void on_stored(struct connection *connection, uint32_t number, struct ticket *ticket)
{
    (void)connection;
    if (ticket->place.conversation->group)
        return_ticket(number);
}

static void on_receipt(struct connection *connection, uint32_t number, struct ticket *ticket, int64_t now)
{
    (void)connection;
    if (counts(ticket->started)) {
        histogram_add(&latency, now - ticket->started);
        done[MESSAGES]++;
    }
    return_ticket(number);
}

static void on_arrived(struct connection *connection, uint64_t number, int64_t due_at, int64_t now)
{
    (void)connection;
    if ((number & 1) == 0 || !counts(due_at))
        return;
    group_deliveries++;
    histogram_add(&group_latency, now - due_at);
}

static void on_signal(struct connection *connection, enum signal signal)
{
    (void)connection;
    seen[signal] += counts(clock_now());
}

static bool over(int64_t now)
{
    (void)now;
    return under_way == 0;
}

static void report(void)
{
    json_integer("messages", (int64_t)done[MESSAGES]);
    json_latency("latency_us", &latency);
    json_integer("group_messages", (int64_t)done[GROUP_MESSAGES]);
    json_integer("deliveries", (int64_t)group_deliveries);
    json_latency("delivery_latency_us", &group_latency);
    json_integer("typings", (int64_t)done[TYPINGS]);
    json_integer("typings_seen", (int64_t)seen[TYPING]);
    json_integer("presences", (int64_t)done[PRESENCES]);
    json_integer("presences_seen", (int64_t)seen[PRESENCE]);
}

const struct workload day = {
    .name = "day",
    .about = "pairs and groups write, people type, come and go, each at a rate of its own",
    .timed = true,
    .gathered = true,
    .begin = begin,
    .due = due,
    .stored = on_stored,
    .receipt = on_receipt,
    .arrived = on_arrived,
    .signalled = on_signal,
    .over = over,
    .report = report,
};
