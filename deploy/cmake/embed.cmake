# certherd_embed(TARGET SYMBOL FILE): adds to a target a source that defines the bytes of a file,
# with a NUL behind them, as "extern const char SYMBOL[]".
function(certherd_embed target symbol file)
    set(path "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${path}")
    file(READ "${path}" hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(.........................................................................,)"
        "\\1\n" bytes "${bytes}")
    set(source "${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c")
    file(CONFIGURE OUTPUT "${source}" CONTENT
        "extern const char @symbol@[];\nconst char @symbol@[] = {\n@bytes@0};\n" @ONLY)
    target_sources(${target} PRIVATE "${source}")
endfunction()
