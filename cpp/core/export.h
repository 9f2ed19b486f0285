// What liblamella shows to other modules of the process; everything else of it is hidden.
#pragma once

#define LAMELLA_EXPORT [[gnu::visibility("default")]]
