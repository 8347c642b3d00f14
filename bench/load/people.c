/* The people file: who there is, and who talks to whom. See README.md. */
#include <stdlib.h>
#include <string.h>

#include "workload.h"

struct person *people;
uint32_t people_count;
struct conversation *conversations;
uint32_t conversations_count;
struct connection *connections;

void read_people(const char *path);

static _Noreturn void wrong(const char *path, unsigned line, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", path, line, what);
    exit(2);
}

static char *copy_of(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        abort();
    return copy;
}

/* Return an array with room for one more, whose size is a power of two. */
static void *grown(void *array, uint32_t count, size_t size)
{
    if ((count & (count - 1)) == 0)
        array = realloc(array, (count ? 2 * (size_t)count : 1) * size);
    if (array == NULL)
        abort();
    return array;
}

static void read_person(char *rest, const char *path, unsigned line)
{
    char *account = strtok(rest, " \n"), *device = strtok(NULL, " \n"), *secret = strtok(NULL, " \n");
    if (secret == NULL)
        wrong(path, line, "expected: person ACCOUNT DEVICE SECRET");
    people = grown(people, people_count, sizeof *people);
    people[people_count] = (struct person){copy_of(account), copy_of(device), copy_of(secret), people_count, 0, NULL};
    people_count++;
}

static void read_conversation(char *rest, const char *path, unsigned line)
{
    char *id = strtok(rest, " \n"), *kind = strtok(NULL, " \n");
    char *epoch = strtok(NULL, " \n"), *devices = strtok(NULL, " \n"), *member;
    if (devices == NULL)
        wrong(path, line, "expected: conversation ID pair|group EPOCH DEVICES MEMBER...");
    struct conversation made = {.id = copy_of(id), .id_size = strlen(id), .group = strcmp(kind, "group") == 0};
    made.epoch = strtoull(epoch, NULL, 10);
    made.devices = strtoull(devices, NULL, 10);
    made.number = conversations_count;
    while ((member = strtok(NULL, " \n")) != NULL) {
        made.members = grown(made.members, made.count, sizeof *made.members);
        made.members[made.count] = (uint32_t)strtoul(member, NULL, 10);
        if (made.members[made.count++] >= people_count)
            wrong(path, line, "a member must stand in the file before its conversations");
    }
    if (made.count < 2)
        wrong(path, line, "a conversation has at least two members");
    conversations = grown(conversations, conversations_count, sizeof *conversations);
    conversations[conversations_count++] = made;
}

/* Tell each person its conversations, now that none of them moves any more. */
static void link_people(void)
{
    for (uint32_t i = 0; i < conversations_count; i++)
        for (uint32_t j = 0; j < conversations[i].count; j++) {
            struct person *member = &people[conversations[i].members[j]];
            member->conversations = grown(member->conversations, member->count, sizeof *member->conversations);
            member->conversations[member->count++] = &conversations[i];
        }
    connections = calloc(people_count, sizeof *connections);
    for (uint32_t i = 0; i < people_count; i++) {
        connections[i].person = &people[i];
        connections[i].fd = -1;
        if (!is_ours(&people[i]))
            continue;
        connections[i].state = calloc(1, options.protocol->state_size);
        if (connections[i].state == NULL)
            abort();
    }
}

void read_people(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        wrong(path, 0, "cannot be read");
    char *text = NULL;
    size_t room = 0;
    for (unsigned line = 1; getline(&text, &room, file) > 0; line++) {
        if (strncmp(text, "person ", 7) == 0)
            read_person(text + 7, path, line);
        else if (strncmp(text, "conversation ", 13) == 0)
            read_conversation(text + 13, path, line);
        else if (text[0] != '#' && text[0] != '\n')
            wrong(path, line, "neither person nor conversation");
    }
    free(text);
    fclose(file);
    link_people();
}

bool is_ours(const struct person *person) { return person->number / 2 % options.parts == options.part; }

const struct person *person(uint32_t number) { return &people[number]; }

const struct person *other(const struct connection *connection, const struct conversation *conversation)
{
    return &people[conversation->members[conversation->members[0] == connection->person->number]];
}

struct places places_to_send(uint32_t senders, bool of_groups)
{
    struct places places = {0};
    for (uint32_t i = 0; i < conversations_count; i++) {
        struct conversation *one = &conversations[i];
        if (one->group != of_groups)
            continue;
        for (uint32_t j = 0; j < one->count && (senders == 0 || j < senders); j++, places.all++) {
            if (!is_ours(&people[one->members[j]]))
                continue;
            places.place = grown(places.place, places.count, sizeof *places.place);
            places.place[places.count] =
                (struct place){&connections[one->members[j]], one, places.all, places.count};
            places.count++;
        }
    }
    places.share = places.all ? (double)places.count / places.all : 0;
    return places;
}

struct place next_place(struct places *places)
{
    struct place place = places->place[places->next];
    places->next = (places->next + 1) % places->count;
    return place;
}
