/* Connections that are just there; what one costs is seen at the server. */
#include "core.h"

static struct places senders;
static uint32_t sent, done;
static bool quiet;

static void send_next(int64_t now)
{
    if (sent < senders.count) {
        sent++;
        send_message(next_place(&senders), next_number(), now);
    }
}

/* Each may send a message to the other of its pair, so that all have had something to do. */
static void begin(int64_t now)
{
    if (options.exchange)
        senders = places_to_send(0, false);
    for (uint32_t i = 0; i < options.at_once; i++)
        send_next(now);
}

static void on_receipt(struct connection *connection, uint32_t number, struct ticket *ticket, int64_t now)
{
    (void)connection, (void)ticket;
    return_ticket(number);
    done++;
    send_next(now);
}

static bool over(int64_t now)
{
    (void)now;
    if (!quiet && done == senders.count) {
        quiet = true;
        json_begin("quiet");
        json_real("at", (double)clock_now() / SECOND);
        json_end();
    }
    return quiet && told_to_stop;
}

static void report(void)
{
    json_integer("messages", done);
    json_real("sign_in_seconds", (double)(gathering.ended - gathering.began) / SECOND);
    json_real("sign_in_cpu_seconds", gathering.cpu_seconds);
}

const struct workload idle = {
    .name = "idle",
    .about = "devices sign in and stay until a line `stop` on stdin (or its end)",
    .gathered = true,
    .begin = begin,
    .receipt = on_receipt,
    .over = over,
    .report = report,
};
