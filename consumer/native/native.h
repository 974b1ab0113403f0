/* What all of it needs. */

#pragma once

#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || !defined(__SIZEOF_INT128__)
#error "written for processors of 64 bits whose words begin with their lowest byte"
#endif

#define EXPORTED __attribute__((visibility("default")))

/* A digest of the sources that the library was made of. */
EXPORTED const char *native_sources(void);
