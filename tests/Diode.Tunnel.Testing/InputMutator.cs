namespace Diode.Tunnel.Testing;

/// <summary>
/// Makes damaged inputs from good ones: bits flipped, bytes replaced, runs inserted, removed, doubled, cut off, mixed
/// with other templates. The same seed makes the same inputs. Reuses one buffer. Not thread-safe.
/// </summary>
public sealed class InputMutator
{
    private const int MaxGrowth = 64;

    private static readonly byte[] Interesting =
        [0x00, 0x01, 0x7f, 0x80, 0x81, 0xb7, 0xb8, 0xb9, 0xbf, 0xc0, 0xc1, 0xf7, 0xf8, 0xf9, 0xff, 0x30, 0x82, 0x6c, 0x6d];

    private readonly byte[][] _templates;
    private readonly byte[] _buffer;
    private ulong _state;
    private int _length;

    /// <summary>Takes the good inputs.</summary>
    public InputMutator(ulong seed, params byte[][] templates)
    {
        _templates = templates;
        _buffer = new byte[templates.Max(template => template.Length) + MaxGrowth + 1];
        _state = (seed * 0x9e3779b97f4a7c15) | 1;
    }

    /// <summary>The next input, good in about one of 64 cases; valid until the next call.</summary>
    public ReadOnlySpan<byte> Next()
    {
        byte[] template = _templates[Below(_templates.Length)];
        template.CopyTo(_buffer, 0);
        _length = template.Length;
        int changes = Below(64) == 0 ? 0 : 1 + Below(4);
        for (int i = 0; i < changes; i++)
        {
            Change();
        }

        return _buffer.AsSpan(0, _length);
    }

    /// <summary>A number in 0..<paramref name="limit"/>-1.</summary>
    public int Below(int limit)
    {
        _state ^= _state << 13;
        _state ^= _state >> 7;
        _state ^= _state << 17;
        return (int)((_state >> 11) % (ulong)Math.Max(limit, 1));
    }

    private void Change()
    {
        int at = Below(_length);
        int run = 1 + Below(Math.Min(16, Math.Max(_length - at, 1)));
        switch (Below(8))
        {
            case 0:
                _length = at;
                break;
            case 1 when _length > 0:
                run = Math.Min(run, _length - at);
                _buffer.AsSpan(at + run, _length - at - run).CopyTo(_buffer.AsSpan(at));
                _length -= run;
                break;
            case 2 when _length + run < _buffer.Length:
                _buffer.AsSpan(at, _length - at).CopyTo(_buffer.AsSpan(at + run));
                _length += run;
                break;
            case 3 when _length > 0:
                byte[] other = _templates[Below(_templates.Length)];
                int from = Below(other.Length);
                int count = Math.Min(run, Math.Min(other.Length - from, _length - at));
                other.AsSpan(from, Math.Max(count, 0)).CopyTo(_buffer.AsSpan(at));
                break;
            case 4 when _length > 0:
                _buffer[at] = (byte)Below(256);
                break;
            case 5 when _length > 0:
                _buffer[at] = Interesting[Below(Interesting.Length)];
                break;
            case 6 when _length > 0:
                _buffer[at] += (byte)(Below(2) == 0 ? 1 : 255);
                break;
            default:
                if (_length > 0)
                {
                    _buffer[at] ^= (byte)(1 << Below(8));
                }

                break;
        }
    }
}
