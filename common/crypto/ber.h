#ifndef COMMON_CRYPTO_BER_H
#define COMMON_CRYPTO_BER_H

/*
 * BER made fit for the DER reader: PKCS#7 and PKCS#12 files of NSS, old Java and Windows have
 * indefinite lengths and strings in pieces. Only the encoding is changed, never what it says.
 */

#include "common/crypto/der.h"

/*
 * Appends one element, the whole of ber, with definite and minimal lengths and OCTET STRINGs in one
 * piece. ERR_PARSE names the offset, ERR_LIMIT is nested or has more elements than DER_DEPTH_MAX
 * and LIMIT_DER_ELEMENTS.
 */
NODISCARD int ber_to_der(struct span ber, struct buf *out, struct err *err);

#endif
