// Modules: loading, variables with their first values, functions, and linking by putting texts one after another.
#include <cstdio>
#include <cstdlib>

#include "driver.h"
#include "fatbin.h"

using namespace cuemu;

namespace {

u64 functionPointer(const ptx::Module& module, const string& name) {
    auto found = module.functions.find(name);
    return found == module.functions.end() ? 0 : kFunctionPointers + u64(found->second->id) * 16;
}

// A number, or the address of a symbol with an offset: `generic(name)+4`.
u64 initialValue(const CUmod_st& module, string text, Type type) {
    if (text.compare(0, 8, "generic(") == 0) {
        size_t close = text.find(')');
        text = text.substr(8, close - 8) + text.substr(close + 1);
    }
    char first = text[0];
    if ((first >= '0' && first <= '9') || first == '-') {
        if (text.size() > 2 && text[0] == '0' && std::strchr("fFdD", text[1])) {
            u64 bits = std::strtoull(text.c_str() + 2, nullptr, 16);
            bool single = text[1] == 'f' || text[1] == 'F';
            return type == Type::F64 && single ? bitCast<u64>(double(bitCast<float>(u32(bits)))) : bits;
        }
        return first == '-' ? u64(std::strtoll(text.c_str(), nullptr, 0)) : std::strtoull(text.c_str(), nullptr, 0);
    }
    size_t plus = text.find_first_of("+-");
    string name = text.substr(0, plus);
    while (!name.empty() && name.back() == ' ') name.pop_back();
    u64 offset = plus == string::npos ? 0 : u64(std::strtoll(text.c_str() + plus + (text[plus] == '+'), nullptr, 0));
    auto symbol = module.symbols.find(name);
    if (symbol != module.symbols.end()) return symbol->second + offset;
    if (u64 pointer = functionPointer(*module.ptx, name)) return pointer;
    throw Fault(kInvalidPtx, format("an initial value is not understood: '%s'", text.c_str()));
}

void placeVariables(Driver& driver, CUmod_st& module) {
    for (auto& v : module.ptx->variables)
        if (!v.external && v.space != Space::Shared) {
            auto& a = driver.memory->allocate(module.context->device, std::max<u64>(v.size, 1), Origin::Variable,
                                              module.context);
            std::memset(a.host, 0, a.size);
            std::memset(a.written, 1, a.size);
            a.readOnly = v.space == Space::Const;
            module.symbols[v.name] = a.base;
        }
    for (auto& v : module.ptx->variables) {
        auto symbol = module.symbols.find(v.name);
        if (symbol == module.symbols.end()) continue;
        u8* to = driver.memory->find(symbol->second)->host;
        size_t element = size_t(sizeOf(v.type));
        for (size_t i = 0; i < v.initial.size() && (i + 1) * element <= v.size; i++) {
            u64 bits = initialValue(module, v.initial[i], v.type);
            std::memcpy(to + i * element, &bits, element);
        }
    }
}

void dropVariables(Driver& driver, CUmod_st& module) {
    for (auto& symbol : module.symbols)
        if (Allocation* a = driver.memory->find(symbol.second)) driver.memory->release(*a);
}

CUresult load(CUmodule* out, const void* image) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        if (!image) return CUDA_ERROR_INVALID_VALUE;
        auto module = std::make_unique<CUmod_st>();
        module->context = &context;
        module->ptx = ptx::parseModule(ptxOfImage(image, driver.capability));
        if (module->ptx->target > driver.capability)
            throw Fault(kNoBinary, format("the PTX is for sm_%d, the device is sm_%d (CUEMU_CAPABILITY sets it)",
                                          module->ptx->target, driver.capability));
        placeVariables(driver, *module);
        *out = module.release();
        context.modules.insert(*out);
        return CUDA_SUCCESS;
    });
}

bool readFile(const char* name, string& out) {
    FILE* file = std::fopen(name, "rb");
    if (!file) return false;
    char part[65536];
    while (size_t n = std::fread(part, 1, sizeof part, file)) out.append(part, n);
    std::fclose(file);
    return true;
}

template <class F> CUresult withModule(CUmodule module, F body) {
    return inContext([&](Driver& driver, CUctx_st& context) {
        for (auto* other : driver.contexts)
            if (other->modules.count(module)) return body(driver, context);
        return CUDA_ERROR_INVALID_HANDLE;
    });
}

}  // namespace

// Texts to be linked; the image is their concatenation.
struct CUlinkState_st {
    std::string text;
};

CUEMU_API CUresult cuModuleLoadData(CUmodule* out, const void* image) { return load(out, image); }
CUEMU_API CUresult cuModuleLoadDataEx(CUmodule* out, const void* image, unsigned, CUjit_option*, void**) {
    return load(out, image);
}
CUEMU_API CUresult cuModuleLoadFatBinary(CUmodule* out, const void* image) { return load(out, image); }

CUEMU_API CUresult cuModuleLoad(CUmodule* out, const char* name) {
    string image;
    if (!readFile(name, image)) return CUDA_ERROR_FILE_NOT_FOUND;
    return load(out, image.c_str());
}

CUEMU_API CUresult cuModuleUnload(CUmodule module) {
    return withModule(module, [&](Driver& driver, CUctx_st&) {
        CUresult result = finishContext(*module->context);
        dropVariables(driver, *module);
        module->context->modules.erase(module);
        delete module;
        return result;
    });
}

CUEMU_API CUresult cuModuleGetFunction(CUfunction* out, CUmodule module, const char* name) {
    return withModule(module, [&](Driver&, CUctx_st&) {
        auto& slot = module->functions[name];
        if (!slot) {
            auto found = module->ptx->functions.find(name);
            if (found == module->ptx->functions.end() || !found->second->kernel) {
                module->functions.erase(name);
                return CUDA_ERROR_NOT_FOUND;
            }
            auto function = std::make_unique<CUfunc_st>();
            function->module = module;
            function->name = name;
            function->program = buildProgram(module->ptx, name, module->symbols);
            slot = std::move(function);
        }
        *out = slot.get();
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuModuleGetGlobal(CUdeviceptr* pointer, size_t* size, CUmodule module, const char* name) {
    return withModule(module, [&](Driver&, CUctx_st&) {
        auto symbol = module->symbols.find(name);
        if (symbol == module->symbols.end()) return CUDA_ERROR_NOT_FOUND;
        if (pointer) *pointer = symbol->second;
        if (size) *size = module->ptx->variables[module->ptx->variableIndex[name]].size;
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuLinkCreate(unsigned, CUjit_option*, void**, CUlinkState* out) {
    *out = new CUlinkState_st();
    return CUDA_SUCCESS;
}

CUEMU_API CUresult cuLinkAddData(CUlinkState state, CUjitInputType type, void* data, size_t size, const char*,
                                 unsigned, CUjit_option*, void**) {
    return guarded([&](Driver& driver) {
        if (type == CU_JIT_INPUT_LIBRARY || type == CU_JIT_INPUT_OBJECT)
            return CUDA_SUCCESS;  // the device runtime: nothing to run
        string image(static_cast<const char*>(data), size);
        image.append(16, '\0');
        state->text += ptxOfImage(image.data(), driver.capability) + "\n";
        return CUDA_SUCCESS;
    });
}

CUEMU_API CUresult cuLinkAddFile(CUlinkState state, CUjitInputType type, const char* name, unsigned n,
                                 CUjit_option* options, void** values) {
    string image;
    if (!readFile(name, image)) return CUDA_ERROR_FILE_NOT_FOUND;
    return cuLinkAddData(state, type, &image[0], image.size(), name, n, options, values);
}

CUEMU_API CUresult cuLinkComplete(CUlinkState state, void** image, size_t* size) {
    *image = &state->text[0];
    if (size) *size = state->text.size() + 1;
    return CUDA_SUCCESS;
}

CUEMU_API CUresult cuLinkDestroy(CUlinkState state) {
    delete state;
    return CUDA_SUCCESS;
}
