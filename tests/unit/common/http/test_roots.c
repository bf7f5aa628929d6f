/* Whom a request believes: a server of TLS with a leaf that the host knows nothing of. */

#include "common/crypto/cert.h"
#include "common/crypto/secret.h"
#include "common/http/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	struct cert *root, *other;
	SSL_CTX *ssl;
	int listener, port;
} tls;

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/* One connection, whatever comes of it. */
static void *
serve(void *arg)
{
	int fd = accept(tls.listener, NULL, NULL);
	SSL *ssl = SSL_new(tls.ssl);
	char request[4096];

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0)
		SSL_write(ssl, answer, (int)sizeof(answer) - 1);
	SSL_free(ssl);
	close(fd);
	return arg;
}

static void
listen_locally(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);

	tls.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(tls.listener, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(tls.listener, (struct sockaddr *)&in, &len), 0);
	assert_int_equal(listen(tls.listener, 1), 0);
	tls.port = ntohs(in.sin_port);
}

static void
use(struct cert *leaf, struct pkey *key)
{
	struct secret *pkcs8 = NULL;
	const uint8_t *at;
	EVP_PKEY *evp;

	assert_int_equal(pkey_to_pkcs8(key, &pkcs8, NULL), 0);
	at = secret_span(pkcs8).data;
	evp = d2i_AutoPrivateKey(NULL, &at, (long)secret_span(pkcs8).len);
	tls.ssl = SSL_CTX_new(TLS_server_method());
	assert_int_equal(
	    SSL_CTX_use_certificate_ASN1(tls.ssl, (int)cert_der(leaf).len, cert_der(leaf).data), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(tls.ssl, evp), 1);
	EVP_PKEY_free(evp);
	secret_free(pkcs8);
}

static int
set_up(void **state)
{
	static const char *const names[] = {"localhost"};
	int64_t now = (int64_t)time(NULL);
	struct pkey *ca = NULL, *key = NULL;
	struct cert *leaf = NULL;
	struct leaf_params p = {
	    .names = names, .name_count = 1, .not_before = now - 60, .not_after = now + 3600};

	(void)state;
	assert_int_equal(pkey_generate(KEY_EC_P256, &ca, NULL), 0);
	assert_int_equal(pkey_generate(KEY_EC_P256, &key, NULL), 0);
	assert_int_equal(cert_issue_ca(ca, "Own", now - 60, now + 7200, &tls.root, NULL), 0);
	assert_int_equal(cert_issue_ca(key, "Other", now - 60, now + 7200, &tls.other, NULL), 0);
	p.key = key;
	assert_int_equal(cert_issue_leaf(tls.root, ca, &p, &leaf, NULL), 0);
	use(leaf, key);
	listen_locally();
	cert_unref(leaf);
	pkey_unref(ca);
	pkey_unref(key);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close(tls.listener);
	SSL_CTX_free(tls.ssl);
	cert_unref(tls.root);
	cert_unref(tls.other);
	return 0;
}

static void
test_more_roots(void **state)
{
	const struct {
		const struct cert *roots[2];
		int result;
	} cases[] = {
	    {{NULL}, ERR_CRYPTO},
	    {{tls.other}, ERR_CRYPTO},
	    {{tls.root}, 0},
	    {{tls.other, tls.root}, 0},
	};
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "https://localhost:%d/", tls.port);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_HTTP_REPLY struct http_reply reply = {0};
		struct buf pem = BUF_INIT(1024 * 1024);
		struct http_params p = {.url = url};
		struct err err = {0, ""};
		pthread_t thread;

		for (size_t k = 0; k < 2 && cases[i].roots[k] != NULL; k++)
			cert_put_pem(cert_der(cases[i].roots[k]), &pem);
		p.more_roots = buf_span(&pem);
		assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
		if (http_request(&p, &reply, &err) != cases[i].result)
			fail_msg("case %zu: %s", i, err.text);
		pthread_join(thread, NULL);
		buf_fini(&pem);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_more_roots),
	};
	struct err err;
	int failed;

	if (http_init(&err) < 0)
		return 1;
	failed = cmocka_run_group_tests_name("http roots", tests, set_up, tear_down);
	http_fini();
	return failed;
}
