#ifndef COMMON_WIRE_SIGNER_FIELDS_H
#define COMMON_WIRE_SIGNER_FIELDS_H

/* The operations of the signer by the numbers of proto/signer.proto. Internal to common/wire. */

#include "common/wire/signer_messages.h"

#include "signer.pb-c.h"

/* SIGNER_NOTHING for a number that is not known here. */
enum signer_op signer_op_of(Certherd__Signer__SignerRequest__OpCase number);
Certherd__Signer__SignerRequest__OpCase signer_op_number(enum signer_op op);

#endif
