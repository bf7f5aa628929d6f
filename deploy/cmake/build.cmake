# Build types, warnings and hardening, carried by one interface target, and the helpers that make a
# module's CMakeLists.txt five lines long. Build types: Release (default), Debug, Asan (address and
# undefined), Tsan, Fuzz (libFuzzer, needs clang) and Cov.

set(build_types Release Debug Asan Tsan Fuzz Cov)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "one of: ${build_types}" FORCE)
endif()
if(NOT CMAKE_BUILD_TYPE IN_LIST build_types)
    message(FATAL_ERROR "CMAKE_BUILD_TYPE '${CMAKE_BUILD_TYPE}' is not one of: ${build_types}")
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
# Off by itself, so that a newer compiler with a new warning stops nobody who only wants to use it.
option(CERTHERD_WERROR "treat warnings as errors (tests/run does)" OFF)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(certherd_flags INTERFACE)
target_include_directories(certherd_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(certherd_flags INTERFACE _GNU_SOURCE
    CERTHERD_VERSION="${PROJECT_VERSION}")
target_compile_options(certherd_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla
    -Wcast-qual -Wwrite-strings -Wundef -Wpointer-arith -Wnull-dereference -Wswitch-enum
    -Wconversion -Wimplicit-fallthrough
    # texts in struct err are cut to their size on purpose; clang does not know the warning
    $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>
    $<$<C_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op -Wjump-misses-init>
    $<$<BOOL:${CERTHERD_WERROR}>:-Werror>
    -fno-delete-null-pointer-checks -fno-strict-overflow -fno-common
    -fstack-protector-strong -fPIE)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
    target_compile_options(certherd_flags INTERFACE -fcf-protection=full -fstack-clash-protection)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    target_compile_options(certherd_flags INTERFACE -mbranch-protection=standard
        -fstack-clash-protection)
endif()
target_compile_options(certherd_flags INTERFACE
    $<$<AND:$<C_COMPILER_ID:GNU>,$<CONFIG:Release,Debug>>:-ftrivial-auto-var-init=zero>
    # FORTIFY finds more null paths than the optimizer can prove; gcc 12 reports false ones in Release
    $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=3 -Wno-null-dereference>
    $<$<CONFIG:Debug>:-O0 -g>
    $<$<CONFIG:Asan>:-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
        -fno-omit-frame-pointer -Wno-null-dereference>
    $<$<CONFIG:Tsan>:-O1 -g -fsanitize=thread -fno-omit-frame-pointer -Wno-null-dereference>
    $<$<CONFIG:Fuzz>:-O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
        -fno-omit-frame-pointer -Wno-null-dereference>
    $<$<CONFIG:Cov>:-O0 -g --coverage>)
target_compile_definitions(certherd_flags INTERFACE
    $<$<CONFIG:Asan,Tsan,Fuzz,Cov>:CERTHERD_SANITIZED=1>)
target_link_options(certherd_flags INTERFACE -pie
    -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code -Wl,--as-needed
    $<$<CONFIG:Asan,Fuzz>:-fsanitize=address,undefined>
    $<$<CONFIG:Tsan>:-fsanitize=thread>
    $<$<CONFIG:Cov>:--coverage>)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# certherd_module(NAME SOURCES a.c b.c USES other modules or libraries...)
# One static library for one module folder; target and folder have the same words.
function(certherd_module name)
    cmake_parse_arguments(M "" "" "SOURCES;USES" ${ARGN})
    add_library(${name} STATIC ${M_SOURCES})
    target_link_libraries(${name} PUBLIC certherd_flags ${M_USES})
endfunction()

# certherd_program(NAME SOURCES a.c USES modules...)
# One executable; all lie in bin/ of the build tree, since they start each other from there.
function(certherd_program name)
    cmake_parse_arguments(P "" "" "SOURCES;USES" ${ARGN})
    add_executable(${name} ${P_SOURCES})
    target_link_libraries(${name} PRIVATE certherd_flags ${P_USES})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
    install(TARGETS ${name} RUNTIME DESTINATION bin)
endfunction()

# certherd_test(NAME LABEL unit SOURCES a.c USES modules...)
# One cmocka program, run by ctest under the label.
function(certherd_test name)
    cmake_parse_arguments(T "" "LABEL" "SOURCES;USES" ${ARGN})
    if(NOT T_LABEL)
        set(T_LABEL unit)
    endif()
    add_executable(${name} ${T_SOURCES})
    target_link_libraries(${name} PRIVATE certherd_flags ${T_USES} cmocka)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS ${T_LABEL} TIMEOUT 600)
endfunction()

# certherd_fuzz(NAME SOURCES a.c CORPUS dir USES modules...)
# A libFuzzer program in a Fuzz build; in every other build a driver that replays the corpus as a
# test with the label fuzz.
function(certherd_fuzz name)
    cmake_parse_arguments(F "" "CORPUS" "SOURCES;USES" ${ARGN})
    if(CMAKE_BUILD_TYPE STREQUAL "Fuzz")
        add_executable(${name} ${F_SOURCES})
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        add_executable(${name} ${F_SOURCES} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
        add_test(NAME ${name} COMMAND ${name} ${F_CORPUS})
        set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 600)
    endif()
    target_link_libraries(${name} PRIVATE certherd_flags ${F_USES})
endfunction()
