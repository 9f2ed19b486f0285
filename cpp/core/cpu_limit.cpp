#include "core/cpu_limit.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>

namespace lamella {
namespace {

struct Quota {
    long long microseconds = 0, period = 0;

    // CPU time as a number of CPUs, rounded up; 0 if there is no limit.
    int cpus() const { return microseconds > 0 && period > 0 ? static_cast<int>((microseconds + period - 1) / period) : 0; }
};

// The first line of a file; empty if there is none.
std::string first_line(const std::string& path) {
    char line[64] = "";
    if (FILE* f = std::fopen(path.c_str(), "r")) {
        if (std::fgets(line, sizeof line, f) == nullptr) line[0] = '\0';
        std::fclose(f);
    }
    return line;
}

// The whole number that a text starts with, else 0. Not by scanf or strtoll: glibc 2.38 gives them new names, and a wheel that
// is built there would not run on an older one.
long long number(const char* text) {
    long long value = 0;
    std::from_chars(text, text + std::strlen(text), value);
    return value;
}

// Version 2 has one file with "max 100000" or "150000 100000"; version 1 has two files, with -1 for no limit.
Quota read_quota(const std::string& directory, bool version_2) {
    if (!version_2) {
        return {number(first_line(directory + "/cpu.cfs_quota_us").c_str()),
                number(first_line(directory + "/cpu.cfs_period_us").c_str())};
    }
    const std::string line = first_line(directory + "/cpu.max");
    const auto space = line.find(' ');
    if (space == std::string::npos) return {};
    return {number(line.c_str()), number(line.c_str() + space + 1)};
}

// The least quota of the group at `path` and of all its parents. A container may see its own group as the root and get a path
// of the host: a group that does not exist here does not limit.
int least_quota(const std::string& mount, std::string path, bool version_2) {
    int least = 0;
    for (;;) {
        const int cpus = read_quota(mount + path, version_2).cpus();
        if (cpus > 0) least = least > 0 ? std::min(least, cpus) : cpus;
        const auto slash = path.rfind('/');
        if (slash == std::string::npos) return least;
        path.resize(slash);
    }
}

// The CPUs that the system's scheduler may give to this process; not every system has such a set.
int affinity() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace

// Lines of /proc/self/cgroup: "0::/path" for version 2, "4:cpu,cpuacct:/path" for version 1.
int read_cpu_quota() {
    int least = 0;
    FILE* f = std::fopen("/proc/self/cgroup", "r");
    if (f == nullptr) return 0;
    char line[4096];
    while (std::fgets(line, sizeof line, f) != nullptr) {
        char* const controllers = std::strchr(line, ':');
        char* const path = controllers != nullptr ? std::strchr(controllers + 1, ':') : nullptr;
        if (path == nullptr) continue;
        *path = '\0';
        path[1 + std::strcspn(path + 1, "\n")] = '\0';
        const std::string names = std::string(controllers) + ',';
        const bool version_2 = names == ":,", has_cpu = names.find(":cpu,") == 0 || names.find(",cpu,") != std::string::npos;
        if (!version_2 && !has_cpu) continue;
        const int cpus = least_quota(version_2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", path + 1, version_2);
        if (cpus > 0) least = least > 0 ? std::min(least, cpus) : cpus;
    }
    std::fclose(f);
    return least;
}

int cpu_limit() {
    static const int limit = [] {
        int cpus = affinity();
        const int quota = read_cpu_quota();
        if (quota > 0) cpus = std::min(cpus, quota);
        return std::max(cpus, 1);
    }();
    return limit;
}

}  // namespace lamella
