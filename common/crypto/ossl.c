#include "common/crypto/ossl.h"

#include <pthread.h>

static struct algorithms all;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fetch(void)
{
	all.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	all.sha384 = EVP_MD_fetch(NULL, "SHA384", NULL);
	all.aes256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	all.aes256_wrap = EVP_CIPHER_fetch(NULL, "AES-256-WRAP", NULL);
	all.aes256_cbc = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	all.x963 = EVP_KDF_fetch(NULL, "X963KDF", NULL);
}

const struct algorithms *
algorithms(void)
{
	CHECK(pthread_once(&once, fetch) == 0);
	CHECK(all.sha256 != NULL && all.sha384 != NULL && all.aes256_gcm != NULL &&
	    all.aes256_wrap != NULL && all.aes256_cbc != NULL && all.x963 != NULL);
	return &all;
}
