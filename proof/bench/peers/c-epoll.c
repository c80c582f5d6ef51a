/*
 * The floor: an echo server on epoll that makes as few system calls as Linux allows.
 *
 *     c-epoll PORT lines|oneshot|bytes BACKLOG [close|more|shutdown|fair]
 *
 * lines: echo every line until the peer leaves. oneshot: echo one line, then close. bytes: echo every
 * byte. With `fair` a visit ends after four reads, as one of echo-reactor does in bulk; without it a
 * visit goes on for as long as the peer sends. Else the last argument says how a oneshot connection ends:
 *     close     write, close: the reply and the FIN are two segments
 *     more      send(MSG_MORE), close: one segment carries both
 *     shutdown  send(MSG_MORE), shutdown, close: one segment, sent before the close can reset it
 *
 * One message costs `read, write` on a persistent connection, and `accept4, read, write, close` on
 * its own connection; each turn adds one `epoll_wait` and, with new connections, one `accept4`
 * that finds the queue empty. Edges are armed once and for both directions. Lines that come together
 * are answered together: one pass over the newlines counts them and holds each line against the
 * maximum.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_BYTES_MAX = 16384, READ_BYTES = 65536, EVENTS_PER_TURN = 1024 };

enum behaviour { LINES, ONESHOT, BYTES };
enum closing { CLOSE, MORE, SHUTDOWN };
enum fate { KEEP, AGAIN, DROP };

/* `kept` is what a turn could not finish: from `kept_at` on `owed` bytes to be written, then the
 * start of a line. Whoever `waits` is in the queue for a visit. */
struct connection {
    struct connection *next;
    bool waits;
    bool peer_closed;
    int fd;
    size_t kept_at;
    size_t kept_bytes;
    size_t owed;
    char *kept;
};

static enum behaviour behaviour;
static enum closing closing;
static int reads_per_visit = INT_MAX;
static int epoll_fd;
static struct connection *first_waiting;
static struct connection **last_waiting = &first_waiting;
static unsigned long lines;
static char shared[READ_BYTES];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void keep(struct connection *c, const char *bytes, size_t count)
{
    free(c->kept);
    c->kept = NULL;
    c->kept_at = 0;
    c->kept_bytes = count;
    if (count > 0 && (c->kept = malloc(count)) == NULL)
        die("malloc");
    if (count > 0)
        memcpy(c->kept, bytes, count);
}

/* How many of these bytes are to be echoed, or -1 if a line is too long. */
static ssize_t answerable(const char *bytes, size_t count)
{
    const char *line = bytes, *end = bytes + count, *newline;
    if (behaviour == BYTES)
        return (ssize_t)count;
    while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        if (newline - line >= MESSAGE_BYTES_MAX)
            return -1;
        lines++;
        line = newline + 1;
        if (behaviour == ONESHOT)
            return line - bytes;
    }
    return end - line >= MESSAGE_BYTES_MAX ? -1 : line - bytes;
}

/* Writes what the socket takes of `owed` bytes; how many it took, or -1 if the connection is over. */
static ssize_t reply(struct connection *c, const char *bytes, size_t owed)
{
    int flags = behaviour == ONESHOT && closing != CLOSE ? MSG_MORE : 0;
    ssize_t sent = send(c->fd, bytes, owed, flags | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        sent = 0;
    if (sent >= 0)
        c->owed = owed - (size_t)sent;
    if (sent >= 0 && c->owed == 0 && behaviour == ONESHOT) {
        if (closing == SHUTDOWN)
            shutdown(c->fd, SHUT_WR);
        return -1;
    }
    return sent;
}

/* Reads and answers until the socket has nothing more, or the visit is over. A short read means that all
 * is read, unless a FIN came with the data: no other event tells of the FIN, so `peer_closed` demands a
 * read up to it. */
static enum fate serve(struct connection *c)
{
    for (int reads = 0;; reads++) {
        if (reads == reads_per_visit)
            return AGAIN;
        if (c->owed > 0) {
            ssize_t sent = reply(c, c->kept + c->kept_at, c->owed);
            if (sent < 0)
                return DROP;
            c->kept_at += (size_t)sent;
            if (c->owed > 0)
                return KEEP; /* the edge of writability calls again */
        }

        size_t kept = c->kept_bytes - c->kept_at;
        if (kept > 0)
            memcpy(shared, c->kept + c->kept_at, kept);
        size_t room = READ_BYTES - kept;
        ssize_t received = read(c->fd, shared + kept, room);
        if (received < 0 && errno == EINTR)
            continue;
        if (received < 0)
            return errno == EAGAIN ? KEEP : DROP;
        if (received == 0)
            return DROP;

        size_t count = kept + (size_t)received;
        ssize_t owed = answerable(shared, count);
        ssize_t sent = owed > 0 ? reply(c, shared, (size_t)owed) : owed;
        if (sent < 0)
            return DROP;
        if (c->kept != NULL || (size_t)sent < count)
            keep(c, shared + sent, count - (size_t)sent);
        if ((size_t)received < room && !c->peer_closed)
            return KEEP;
    }
}

static void wait_for_visit(struct connection *c)
{
    if (c->waits)
        return;
    c->waits = true;
    c->next = NULL;
    *last_waiting = c;
    last_waiting = &c->next;
}

static void visit(struct connection *c)
{
    switch (serve(c)) {
    case KEEP:
        return;
    case AGAIN:
        wait_for_visit(c);
        return;
    case DROP:
        close(c->fd);
        free(c->kept);
        free(c);
    }
}

/* Visits those that wait now. Who waits again has its visit in the next turn, behind the others. */
static void visit_waiting(void)
{
    struct connection *c = first_waiting;
    first_waiting = NULL;
    last_waiting = &first_waiting;
    while (c != NULL) {
        struct connection *next = c->next;
        c->waits = false;
        visit(c);
        c = next;
    }
}

/* A connection gets memory and an epoll entry only if it outlives its first read. */
static void begin(int fd)
{
    struct connection first = {.fd = fd};
    struct connection *c;
    enum fate fate = serve(&first);
    if (fate == DROP) {
        free(first.kept);
        close(fd);
        return;
    }
    if ((c = malloc(sizeof *c)) == NULL)
        die("malloc");
    *c = first;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
    if (fate == AGAIN)
        wait_for_visit(c);
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd >= 0)
            begin(fd);
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR && errno != ECONNABORTED)
            die("accept4");
    }
}

static int listen_on(int port, int backlog)
{
    int one = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted sockets inherit it */
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind");
    if (listen(fd, backlog) < 0)
        die("listen");
    return fd;
}

static void run(int listener)
{
    static struct epoll_event events[EVENTS_PER_TURN];
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll_ctl");
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS_PER_TURN, first_waiting == NULL ? -1 : 0);
        if (ready < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c == NULL) {
                accept_all(listener);
            } else {
                c->peer_closed |= (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
                wait_for_visit(c);
            }
        }
        visit_waiting();
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s PORT lines|oneshot|bytes BACKLOG [close|more|shutdown|fair]\n", argv[0]);
        return 2;
    }
    const char *end = argc > 4 ? argv[4] : "close";
    behaviour = strcmp(argv[2], "oneshot") == 0 ? ONESHOT
              : strcmp(argv[2], "bytes") == 0   ? BYTES
                                                : LINES;
    if (strcmp(end, "fair") == 0)
        reads_per_visit = 4;
    closing = strcmp(end, "more") == 0 ? MORE : strcmp(end, "shutdown") == 0 ? SHUTDOWN : CLOSE;
    if ((epoll_fd = epoll_create1(0)) < 0)
        die("epoll_create1");
    run(listen_on(atoi(argv[1]), atoi(argv[3])));
}
