/*
 * listen.c: the address to listen on.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server_impl.h"

/* Splits HOST:PORT or [HOST]:PORT. */
static bool split_listen(const char *listen, char host[256], char port[6], struct err *err)
{
	const char *colon = strrchr(listen, ':');
	const char *begin = listen, *end = colon;

	if (colon != NULL && *listen == '[' && colon > listen + 1 && colon[-1] == ']') {
		begin++;
		end--;
	} else if (colon != NULL && strchr(listen, ':') != colon) {
		colon = NULL; /* IPv6 without brackets */
	}
	if (colon != NULL && end > begin && end - begin < 256 && strlen(colon + 1) < 6) {
		snprintf(host, 256, "%.*s", (int)(end - begin), begin);
		snprintf(port, 6, "%s", colon + 1);
		if (*port != '\0' && strspn(port, "0123456789") == strlen(port) &&
		    strtol(port, NULL, 10) <= 65535)
			return true;
	}
	return err_set(
	    err, ERR_INPUT,
	    "\"%.200s\" is no address to listen on: write HOST:PORT, e.g. 127.0.0.1:7480, with a port from 0 "
	    "to 65535",
	    listen);
}

bool http_listen_check(const char *listen, struct err *err)
{
	char host[256], port[6];

	return split_listen(listen, host, port, err);
}

int listen_on(const char *address, struct err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found;
	char host[256], port[6];
	int one = 1;

	if (!split_listen(address, host, port, err))
		return -1;
	int rv = getaddrinfo(host, port, &hints, &found);
	if (rv != 0) {
		err_set(err, ERR_INPUT, "cannot listen for HTTP on %s: %s", address, gai_strerror(rv));
		return -1;
	}
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	                bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0)) {
		rv = errno;
		close(fd);
		errno = rv;
		fd = -1;
	}
	if (fd < 0)
		err_set(err, ERR_WORLD, "cannot listen for HTTP on %s: %s%s", address, strerror(errno),
		        errno == EADDRINUSE ? "; stop the program that uses it, or choose another address"
		                            : "");
	freeaddrinfo(found);
	return fd;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union address bound(int fd)
{
	union address a = {.v6 = {.sin6_family = AF_INET6}};
	socklen_t len = sizeof(a);

	must(getsockname(fd, &a.any, &len) == 0);
	return a;
}

unsigned listen_port(int fd)
{
	union address a = bound(fd);

	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

bool listen_is_loopback(int fd)
{
	union address a = bound(fd);

	return a.any.sa_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr)
	                                   : ntohl(a.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}
