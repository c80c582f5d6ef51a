/*
 * A line echo server on libuv.
 *
 *     libuv-echo PORT stream|oneshot BACKLOG
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

enum { MESSAGE_BYTES_MAX = 16384 };

struct connection {
    uv_tcp_t tcp;
    size_t partial_bytes;
    char *partial; /* the start of a line whose end has not arrived */
};

struct late_write {
    uv_write_t request;
    char bytes[];
};

static bool oneshot;
static char shared[MESSAGE_BYTES_MAX];

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

/* Lends the shared buffer, or the connection's own while it holds the start of a line. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *c = (struct connection *)handle;
    (void)suggested;
    if (c->partial == NULL)
        *buffer = uv_buf_init(shared, sizeof shared);
    else
        *buffer = uv_buf_init(c->partial + c->partial_bytes,
                              (unsigned)(MESSAGE_BYTES_MAX - c->partial_bytes));
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
    char *start = c->partial ? c->partial : shared;
    size_t count = c->partial_bytes + (size_t)received;
    char *newline = oneshot ? memchr(start, '\n', count) : memrchr(start, '\n', count);
    size_t line_bytes = newline ? (size_t)(newline - start) + 1 : 0;
    if (line_bytes > 0) {
        if (oneshot)
            uv_read_stop(stream);
        reply(c, start, line_bytes);
    }
    size_t rest = count - line_bytes;
    if (rest == 0) {
        free(c->partial);
        c->partial = NULL;
    } else if (rest == MESSAGE_BYTES_MAX) {
        drop(c);
    } else {
        if (c->partial == NULL)
            c->partial = malloc(MESSAGE_BYTES_MAX);
        memmove(c->partial, start + line_bytes, rest);
    }
    c->partial_bytes = rest;
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
        fprintf(stderr, "usage: %s PORT stream|oneshot BACKLOG\n", argv[0]);
        return 2;
    }
    oneshot = strcmp(argv[2], "oneshot") == 0;
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
