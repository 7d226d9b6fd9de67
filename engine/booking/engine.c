#include "engine/booking/engine.h"

#include "engine/base/mem.h"

#define METRIC_ROW_TAG seats_metrics
const struct metric_desc seats_metric_descs[] = {SEATS_METRICS(METRIC_ROW_)};
const size_t seats_metric_count = array_len(seats_metric_descs);
