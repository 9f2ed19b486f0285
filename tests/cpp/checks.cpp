// The kernels without Python: every target of this machine replays the calls in the file that it is given; and the threads and
// the pool of memory themselves. Without a file only these.
// Prints what failed and "N passed, N failed"; the exit status is 0 if nothing did.
#include "calls.h"
#include "pool.h"
#include "threads.h"

int main(int arguments, char** argument) {
    checks::Count check;
    if (arguments > 1) {
        checks::CallsFile calls(argument[1]);
        check(!calls.empty(), std::string("cannot read ") + argument[1]);
        const lamella::Targets targets = lamella::available_targets();
        for (int i = 0; i < targets.count; ++i) {
            lamella::select(targets.names[i]);
            check.target = targets.names[i];
            checks::replay_all(calls, check);
            std::printf("%s: checked\n", targets.names[i]);
        }
    }
    check.target = "threads";
    checks::check_backends(check);
    check.target = "pool";
    checks::check_pool(check);
    std::printf("%d passed, %d failed\n", check.passed, check.failed);
    return check.failed == 0 ? 0 : 1;
}
