/* The command line. */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

extern const struct protocol tidings, xmpp, xmpp_websocket;

const struct protocol *const protocols[] = {&tidings, &xmpp, &xmpp_websocket, NULL};
const struct workload *const workloads[] = {&pairs, &fill, &drain, &idle, &storm, &fanout, &day, NULL};

struct options options = {
    .protocol = &tidings,
    .parts = 1,
    .addresses = 4,
    .at_once = 32,
    .warm_up = 2,
    .seconds = 10,
    .bytes = 300,
    .in_flight = 1,
    .senders = 1,
    .patience = 5,
};

enum { TEXT_OPTION, COUNT_OPTION, BIG_OPTION, REAL_OPTION, YES_OPTION, OTHER_OPTION };

static const struct option_text {
    const char *name, *value, *text;
    int kind;
    void *place;
} texts[] = {
    {"to", "ADDRESS:PORT", "the server", TEXT_OPTION, &options.target},
    {"protocol", "NAME", "what it speaks (tidings)", OTHER_OPTION, NULL},
    {"host", "NAME", "the server's name, where the protocol asks for one (the address)", TEXT_OPTION, &options.host},
    {"people", "FILE", "who there is and who talks to whom", TEXT_OPTION, &options.people},
    {"part", "K/N", "play only this part of them, from 0/N to N-1/N; other processes play the others", OTHER_OPTION, 0},
    {"addresses", "N", "connect from N addresses, 127.0.0.1 and up (4)", COUNT_OPTION, &options.addresses},
    {"at-once", "N", "sign in so many at the same time (32)", COUNT_OPTION, &options.at_once},
    {"wait", NULL, "when ready, wait for a line `go` or `go BEGIN START END` on stdin", YES_OPTION, &options.wait},
    {"warm-up", "SECONDS", "work so long before the window (2)", REAL_OPTION, &options.warm_up},
    {"seconds", "SECONDS", "the window: what is measured (10)", REAL_OPTION, &options.seconds},
    {"bytes", "N", "size of a message's body (300)", BIG_OPTION, &options.bytes},
    {"in-flight", "N", "messages that a sender has under way at most (1)", COUNT_OPTION, &options.in_flight},
    {"both", NULL, "both of a pair send", YES_OPTION, &options.both},
    {"rate", "N", "open loop: messages a second, of all parts together (0: closed loop)", REAL_OPTION, &options.rate},
    {"poisson", NULL, "at random moments instead of evenly spaced ones", YES_OPTION, &options.poisson},
    {"group-rate", "N", "day: messages in groups a second", REAL_OPTION, &options.group_rate},
    {"typing-rate", "N", "day: times that somebody types or stops, a second", REAL_OPTION, &options.typing_rate},
    {"presence-rate", "N", "day: times that somebody comes or goes, a second", REAL_OPTION, &options.presence_rate},
    {"messages", "N", "fill: how many to send; drain and storm: how many fill sent", BIG_OPTION, &options.messages},
    {"senders", "N", "fanout, day: members of each group that send (1; 0: all)", COUNT_OPTION, &options.senders},
    {"exchange", NULL, "idle: first each sends a message to the other of its pair", YES_OPTION, &options.exchange},
    {"known", NULL, "storm: have all sign in once before, so that they come back as known devices", YES_OPTION, &options.known},
    {"patience", "SECONDS", "drain and storm: how long to wait for a message that is missing (5)", REAL_OPTION,
     &options.patience},
    {NULL, NULL, NULL, 0, NULL},
};

static _Noreturn void help(void)
{
    puts("usage: load WORKLOAD --to ADDRESS:PORT --people FILE [OPTION]...\n\n"
         "Devices that put a server under load, and measure. Writes one JSON object a line on stdout: `ready`,\n"
         "`begins` and `ends` (the edges of the window, CLOCK_MONOTONIC), and at last `report` or `failed`.\n\n"
         "Workloads:");
    for (int i = 0; workloads[i]; i++)
        printf("  %-8s %s\n", workloads[i]->name, workloads[i]->about);
    puts("\nOptions:");
    for (int i = 0; texts[i].name; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", texts[i].name, texts[i].value ? texts[i].value : "");
        printf("  %-22s %s\n", left, texts[i].text);
    }
    exit(0);
}

static _Noreturn void wrong(const char *what, const char *value)
{
    fprintf(stderr, "load: %s: %s (see --help)\n", what, value);
    exit(2);
}

static void set_other(const char *name, const char *value)
{
    if (strcmp(name, "part") == 0) {
        if (sscanf(value, "%u/%u", &options.part, &options.parts) != 2 || options.part >= options.parts)
            wrong("--part", value);
        return;
    }
    for (int i = 0; protocols[i]; i++)
        if (strcmp(protocols[i]->name, value) == 0) {
            options.protocol = protocols[i];
            return;
        }
    wrong("no such protocol", value);
}

static void set(const struct option_text *option, const char *value)
{
    char *end = "";
    switch (option->kind) {
    case TEXT_OPTION: *(const char **)option->place = value; break;
    case COUNT_OPTION: *(uint32_t *)option->place = (uint32_t)strtoul(value, &end, 10); break;
    case BIG_OPTION: *(uint64_t *)option->place = strtoull(value, &end, 10); break;
    case REAL_OPTION: *(double *)option->place = strtod(value, &end); break;
    case YES_OPTION: *(bool *)option->place = true; break;
    default: set_other(option->name, value);
    }
    if (*end)
        wrong(option->name, value);
}

static void read_options(int count, char **words)
{
    enum { MOST = 40 };
    struct option known[MOST] = {{"help", no_argument, NULL, MOST}};
    for (int i = 0; texts[i].name; i++)
        known[i + 1] =
            (struct option){texts[i].name, texts[i].value ? required_argument : no_argument, NULL, i};
    for (int chosen; (chosen = getopt_long(count, words, "", known, NULL)) != -1;) {
        if (chosen == MOST)
            help();
        if (chosen == '?')
            exit(2);
        set(&texts[chosen], optarg);
    }
    if (optind + 1 != count)
        wrong("expected one workload", optind < count ? words[optind + 1] : "none");
    for (int i = 0; workloads[i]; i++)
        if (strcmp(workloads[i]->name, words[optind]) == 0)
            options.workload = workloads[i];
    if (options.workload == NULL)
        wrong("no such workload", words[optind]);
    if (options.target == NULL || options.people == NULL)
        wrong("missing", options.target ? "--people" : "--to");
    if (options.bytes < 40 || options.in_flight == 0 || options.addresses == 0 || options.at_once == 0)
        wrong("too small", "--bytes (40), --in-flight, --addresses, --at-once (1)");
}

int main(int count, char **words)
{
    signal(SIGPIPE, SIG_IGN);
    read_options(count, words);
    read_people(options.people);
    return run();
}
