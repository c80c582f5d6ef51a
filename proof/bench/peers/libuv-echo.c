/*
 * An echo server on libuv.
 *
 *     libuv-echo PORT lines|oneshot|bytes BACKLOG
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

enum { MESSAGE_BYTES_MAX = 16384, READ_BYTES = 65536 }; /* what libuv suggests for a read */

struct connection {
    uv_tcp_t tcp;
    size_t partial_bytes;
    char *partial; /* the start of a line whose end has not arrived */
};

struct late_write {
    uv_write_t request;
    char bytes[];
};

static bool oneshot, bytes;
static char shared[READ_BYTES];

/* How many of these bytes are to be echoed, or -1 if a line is too long. */
static ssize_t answerable(const char *start, size_t count)
{
    const char *line = start, *end = start + count, *newline;
    if (bytes)
        return (ssize_t)count;
    while ((newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        if (newline - line >= MESSAGE_BYTES_MAX)
            return -1;
        line = newline + 1;
        if (oneshot)
            return line - start;
    }
    return end - line >= MESSAGE_BYTES_MAX ? -1 : line - start;
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = (struct connection *)handle;
    free(c->partial);
    free(c);
}

static void drop(struct connection *c)
{
    if (!uv_is_closing((uv_handle_t *)c))
        uv_close((uv_handle_t *)c, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer);
static void on_read(uv_stream_t *stream, ssize_t received, const uv_buf_t *buffer);

static void on_late_written(uv_write_t *request, int status)
{
    struct connection *c = (struct connection *)request->handle;
    free(request);
    if (status < 0 || oneshot)
        drop(c);
    else
        uv_read_start((uv_stream_t *)c, on_alloc, on_read);
}

/* Writes at once what the socket takes; the loop writes the rest, and reads nothing until then. */
static void reply(struct connection *c, char *bytes, size_t count)
{
    uv_buf_t buffer = uv_buf_init(bytes, (unsigned)count);
    int written = uv_try_write((uv_stream_t *)c, &buffer, 1);
    if (written < 0 && written != UV_EAGAIN) {
        drop(c);
        return;
    }
    size_t done = written < 0 ? 0 : (size_t)written;
    if (done == count) {
        if (oneshot)
            drop(c);
        return;
    }
    struct late_write *late = malloc(sizeof *late + count - done);
    memcpy(late->bytes, bytes + done, count - done);
    buffer = uv_buf_init(late->bytes, (unsigned)(count - done));
    if (uv_write(&late->request, (uv_stream_t *)c, &buffer, 1, on_late_written) < 0) {
        free(late);
        drop(c);
        return;
    }
    uv_read_stop((uv_stream_t *)c);
}

/* Lends the shared buffer. If the connection holds the start of a line, that comes first. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *c = (struct connection *)handle;
    (void)suggested;
    if (c->partial != NULL)
        memcpy(shared, c->partial, c->partial_bytes);
    *buffer = uv_buf_init(shared + c->partial_bytes, (unsigned)(READ_BYTES - c->partial_bytes));
}

static void on_read(uv_stream_t *stream, ssize_t received, const uv_buf_t *buffer)
{
    struct connection *c = (struct connection *)stream;
    (void)buffer;
    if (received < 0) {
        drop(c);
        return;
    }
    if (received == 0)
        return;
    size_t count = c->partial_bytes + (size_t)received;
    ssize_t owed = answerable(shared, count);
    if (owed < 0) {
        drop(c);
        return;
    }
    if (owed > 0) {
        if (oneshot)
            uv_read_stop(stream);
        reply(c, shared, (size_t)owed);
    }
    free(c->partial);
    c->partial = NULL;
    c->partial_bytes = count - (size_t)owed;
    if (c->partial_bytes > 0) {
        c->partial = malloc(c->partial_bytes);
        memcpy(c->partial, shared + owed, c->partial_bytes);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status < 0)
        return;
    struct connection *c = calloc(1, sizeof *c);
    uv_tcp_init(listener->loop, &c->tcp);
    if (uv_accept(listener, (uv_stream_t *)c) == 0)
        uv_read_start((uv_stream_t *)c, on_alloc, on_read);
    else
        drop(c);
}

int main(int argc, char **argv)
{
    uv_tcp_t listener;
    uv_os_fd_t fd;
    struct sockaddr_in address;
    int one = 1, error;
    if (argc < 4) {
        fprintf(stderr, "usage: %s PORT lines|oneshot|bytes BACKLOG\n", argv[0]);
        return 2;
    }
    oneshot = strcmp(argv[2], "oneshot") == 0;
    bytes = strcmp(argv[2], "bytes") == 0;
    uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address);
    uv_tcp_init(uv_default_loop(), &listener);
    if ((error = uv_tcp_bind(&listener, (struct sockaddr *)&address, 0)) == 0)
        error = uv_listen((uv_stream_t *)&listener, atoi(argv[3]), on_connection);
    if (error != 0) {
        fprintf(stderr, "listen: %s\n", uv_strerror(error));
        return 1;
    }
    uv_fileno((uv_handle_t *)&listener, &fd);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted sockets inherit it */
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
