# cmake -D OUT=<header> -D SOURCE=<root> -P commit.cmake: writes CO_BUILD_COMMIT if it changed.
cmake_minimum_required(VERSION 3.25)
set(COMMIT "unknown")
if(EXISTS ${SOURCE}/.git)
    execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
                    OUTPUT_VARIABLE DESCRIBED OUTPUT_STRIP_TRAILING_WHITESPACE
                    ERROR_QUIET RESULT_VARIABLE FAILED)
    if(NOT FAILED AND DESCRIBED)
        set(COMMIT ${DESCRIBED})
    endif()
endif()
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT "/* The commit this build was made from. */
#ifndef CO_COMMIT_H
#define CO_COMMIT_H
#define CO_BUILD_COMMIT \"@COMMIT@\"
#endif
")
