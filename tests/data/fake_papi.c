/* A PAPI for tests: NO_COUNTERS, its component is disabled; NOT_PERMITTED, it
 * may not start; COUNTS, each event was seen as often as its place among all. */
#include <papi.h>
#include <string.h>

static PAPI_component_info_t info;
static int added;

int PAPI_library_init(int version) { return version; }
void PAPI_shutdown(void) { }
int PAPI_num_components(void) { return 1; }

const PAPI_component_info_t *PAPI_get_component_info(int i)
{
	strcpy(info.name, "perf_event");
#ifdef NO_COUNTERS
	info.disabled = PAPI_ECMP;
	strcpy(info.disabled_reason, "no PMU found");
#endif
	return &info;
}

char *PAPI_strerror(int rc) { return "an error"; }
int PAPI_event_name_to_code(const char *name, int *code) { return PAPI_OK; }
int PAPI_create_eventset(int *set) { *set = 1; added = 0; return PAPI_OK; }
int PAPI_destroy_eventset(int *set) { return PAPI_OK; }
int PAPI_cleanup_eventset(int set) { return PAPI_OK; }

int PAPI_add_named_event(int set, const char *name)
{
#ifdef NO_COUNTERS
	return PAPI_ECMP_DISABLED;
#else
	added++;
	return PAPI_OK;
#endif
}

#ifdef COUNTS
int PAPI_start(int set) { return PAPI_OK; }

int PAPI_stop(int set, long long *values)
{
	for (int i = 0; i < added; i++)
		values[i] = 1000000 * (i + 1);
	return PAPI_OK;
}
#else
int PAPI_start(int set) { return PAPI_EPERM; }
int PAPI_stop(int set, long long *values) { return PAPI_OK; }
#endif
