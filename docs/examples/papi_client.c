/* What an emulated run counted, read as any PAPI program reads a machine. */
#include <papi.h>
#include <stdio.h>

#include "emu/cmd_run.h"
#include "emu/sde.h"

int main(void)
{
	char *args[] = { "run", "chase", "--machine=zen5-turin", "--pages=200",
			 "--rounds=1", "--threads=1", "-o", "/dev/null", NULL };
	int set = PAPI_NULL;
	long long misses;

	if (sde_export(NULL) ||
	    PAPI_library_init(PAPI_VER_CURRENT) != PAPI_VER_CURRENT ||
	    PAPI_create_eventset(&set) != PAPI_OK ||
	    PAPI_add_named_event(set, "sde:::tlbemu::dTLB-load-misses") != PAPI_OK ||
	    PAPI_start(set) != PAPI_OK || cmd_run(8, args) ||
	    PAPI_stop(set, &misses) != PAPI_OK)
		return 1;
	printf("dTLB-load-misses %lld\n", misses);
	return 0;
}
