#include "bertq.pb-c.h"
