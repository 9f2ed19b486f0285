// Checks the kernels without Python: every target of this machine replays the calls in the file that the argument names. It
// also checks the thread pools, their workspaces and the memory pool; without a file only these.
// It prints the failed checks and "N passed, N failed". The exit status is 0 if none failed.
#include "calls.h"
#include "pool.h"
#include "threads.h"
#include "workspace.h"

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
    check.target = "workspace";
    checks::check_workspace(check);
    check.target = "pool";
    checks::check_pool(check);
    std::printf("%d passed, %d failed\n", check.passed, check.failed);
    return check.failed == 0 ? 0 : 1;
}
