"""Handles that take hooks away again."""
import collections
import weakref


class RemovableHandle:
    """Removes a hook; also a context manager that removes it at the end."""

    next_id = 0

    def __init__(self, hooks_dict):
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1

    @classmethod
    def on(cls, owner, attribute, hook):
        """Add a hook to an ordered dict attribute of owner, made where there is none."""
        hooks = getattr(owner, attribute)
        if hooks is None:
            hooks = collections.OrderedDict()
            setattr(owner, attribute, hooks)
        handle = cls(hooks)
        hooks[handle.id] = hook
        return handle

    def remove(self):
        """Take the hook away; twice does no harm."""
        hooks = self.hooks_dict_ref()
        if hooks is not None and self.id in hooks:
            del hooks[self.id]

    def __getstate__(self):
        return (self.hooks_dict_ref(), self.id)

    def __setstate__(self, state):
        hooks, self.id = state
        self.hooks_dict_ref = weakref.ref(collections.OrderedDict() if hooks is None else hooks)
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()
