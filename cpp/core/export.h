// Marks the functions that liblamella exports; all other functions are hidden.
#pragma once

#define LAMELLA_EXPORT [[gnu::visibility("default")]]
