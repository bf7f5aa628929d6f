#include "common/base/utf8.h"

/* Length of the sequence that a lead byte begins, 0 when none does. */
static size_t
sequence(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

bool
utf8_is_text(struct span s)
{
	for (size_t i = 0, n; i < s.len; i += n) {
		uint8_t lead = s.data[i];

		n = sequence(lead);
		if (lead == 0 || n == 0 || n > s.len - i)
			return false;
		for (size_t k = 1; k < n; k++)
			if ((s.data[i + k] & 0xc0) != 0x80)
				return false;
		/* Longer forms than needed, surrogates, and what lies above U+10FFFF. */
		if ((lead == 0xe0 && s.data[i + 1] < 0xa0) ||
		    (lead == 0xed && s.data[i + 1] > 0x9f) ||
		    (lead == 0xf0 && s.data[i + 1] < 0x90) ||
		    (lead == 0xf4 && s.data[i + 1] > 0x8f))
			return false;
	}
	return true;
}
