#include "native.h"

const char *native_sources(void) { return SOURCES; }
