/* Where the program begins, whatever engine it is linked with. SimGrid looks main up by name. */
#include "cli/cli.h"
#include "comm/engine.h"

__attribute__((visibility("default"))) int main(int argc, char *argv[])
{
    return co_cli_main(argc, argv, &co_engine_linked);
}
