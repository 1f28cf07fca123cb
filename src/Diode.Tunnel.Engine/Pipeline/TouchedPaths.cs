using Diode.Tunnel.Engine.Paths;

namespace Diode.Tunnel.Engine.Pipeline;

/// <summary>The few paths that one batch of packets used and that must be flushed at its end. One thread.</summary>
internal sealed class TouchedPaths
{
    private readonly IPath?[] _paths = new IPath?[8];
    private int _count;

    /// <summary>Notes a path. When there are too many, the oldest is flushed early.</summary>
    public void Add(IPath path)
    {
        for (int i = 0; i < _count; i++)
        {
            if (ReferenceEquals(_paths[i], path))
            {
                return;
            }
        }

        if (_count == _paths.Length)
        {
            Flush();
        }

        _paths[_count++] = path;
    }

    /// <summary>Flushes and forgets all of them.</summary>
    public void Flush()
    {
        for (int i = 0; i < _count; i++)
        {
            _paths[i]!.Flush();
            _paths[i] = null;
        }

        _count = 0;
    }
}
