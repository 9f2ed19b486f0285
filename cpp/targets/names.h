// The names of the functions that a target's objects export.
#pragma once

#define LAMELLA_STRING_(a) #a
#define LAMELLA_STRING(a) LAMELLA_STRING_(a)
#define LAMELLA_TABLE_(target) lamella_table_##target
#define LAMELLA_TABLE(target) LAMELLA_TABLE_(target)
#define LAMELLA_PART_(family) family##_part
#define LAMELLA_PART(family) LAMELLA_PART_(family)
#define LAMELLA_FILL_(family, target) lamella_fill_##family##_##target
#define LAMELLA_FILL(family, target) LAMELLA_FILL_(family, target)
